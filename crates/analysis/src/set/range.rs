//! Sets of whole numbers, kept as sorted ranges that neither touch nor overlap.

use std::fmt;

/// A kind of number ranges are made of.
pub trait Bound: Copy + Ord + fmt::Debug + fmt::Display {
    const MIN: Self;
    const MAX: Self;
    fn after(self) -> Option<Self>;
    fn before(self) -> Option<Self>;
}

macro_rules! bound {
    ($($number:ty)*) => {$(
        impl Bound for $number {
            const MIN: Self = <$number>::MIN;
            const MAX: Self = <$number>::MAX;
            fn after(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn before(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )*};
}

bound!(u16 u32 u128);

/// A set of numbers.
// INVARIANT: ranges are sorted, each has first <= last, and between two of
// them at least one number is missing; so equal sets are equal values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranges<T>(Vec<(T, T)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Bound> Ranges<T> {
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn all() -> Self {
        Self(vec![(T::MIN, T::MAX)])
    }

    pub fn one(number: T) -> Self {
        Self(vec![(number, number)])
    }

    /// From `first` to `last`, both included; nothing when they are the wrong way round.
    pub fn of(first: T, last: T) -> Self {
        if first <= last {
            Self(vec![(first, last)])
        } else {
            Self::none()
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (T, T)> + '_ {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn is_all(&self) -> bool {
        self.0 == [(T::MIN, T::MAX)]
    }

    pub fn contains(&self, number: T) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after > 0 && self.0[after - 1].1 >= number
    }

    /// Whether every number of `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|&(first, last)| {
            let after = self.0.partition_point(|(start, _)| *start <= first);
            after > 0 && self.0[after - 1].1 >= last
        })
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        let mut ranges: Vec<_> = self.0.iter().chain(&other.0).copied().collect();
        ranges.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(open) if open.1.after().is_none_or(|next| first <= next) => {
                    open.1 = open.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some(&&a), Some(&&b)) = (left.peek(), right.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                common.push((first, last));
            }
            if a.1 <= b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        Self(common)
    }

    #[must_use]
    pub fn complement(&self) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut start = Some(T::MIN);
        for &(first, last) in &self.0 {
            if let (Some(start), Some(end)) = (start, first.before())
                && start <= end
            {
                gaps.push((start, end));
            }
            start = last.after();
        }
        if let Some(start) = start {
            gaps.push((start, T::MAX));
        }
        Self(gaps)
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        self.intersection(&other.complement())
    }
}

impl<T: Bound> FromIterator<(T, T)> for Ranges<T> {
    fn from_iter<I: IntoIterator<Item = (T, T)>>(ranges: I) -> Self {
        ranges.into_iter().fold(Self::none(), |set, (first, last)| {
            set.union(&Self::of(first, last))
        })
    }
}

/// `443, 8000-8080`; nothing for the empty set.
impl<T: Bound> fmt::Display for Ranges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}
