//! How does a [`Table`] get into the kernel, and its counters out again?
//!
//! [`Nft::replace`] is the only way rules change: the whole table goes over in
//! one transaction, so packets meet the old ruleset or the new one, never a
//! part of either. Interfaces that come and go change set elements only, which
//! [`Nft::update`] finds by itself. A replacement starts all counters at zero:
//! read them first where totals matter.
//!
//! A netlink transaction must fit one send. Tables beyond the socket's limit
//! (some 400 kB in a user namespace) are built in steps under a second name,
//! without hooks, so no packet sees them; the last step adds the hooks and
//! deletes the table before it, again in one transaction.
//!
//! An [`Nft`] belongs to the network namespace its opener stood in. No `nft`
//! program is involved.

use std::io;

use crate::blueprint::ruleset::{Set, Table, element_changes};

use super::nfnetlink::NetfilterSocket;

mod check;
mod counter;
mod encode;
mod expression;
mod transaction;
mod value;

pub use counter::{CountedKey, RuleCounter};
pub use encode::Place;

use transaction::Transaction;

/// The ruleset of one network namespace.
#[derive(Debug)]
pub struct Nft {
    socket: NetfilterSocket,
    /// Largest transaction in bytes, when lower than what the socket takes.
    limit: Option<usize>,
}

/// Why a ruleset was not loaded, changed or read.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    #[error("cannot open a netfilter socket")]
    Open(#[source] io::Error),
    #[error("{place} of table `{table}` is malformed: {why}")]
    Malformed {
        table: String,
        place: Place,
        why: &'static str,
    },
    #[error("cannot send the ruleset of table `{table}` to the kernel")]
    Send { table: String, source: io::Error },
    #[error("the kernel refused {place} of table `{table}`")]
    Refused {
        table: String,
        place: Place,
        source: io::Error,
    },
    #[error("the kernel did not confirm the ruleset of table `{table}`")]
    Unconfirmed { table: String },
    #[error("cannot read {what} of table `{table}`")]
    Read {
        table: String,
        what: String,
        source: io::Error,
    },
}

impl NftError {
    /// What the person at the keyboard can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let (Self::Open(source)
        | Self::Send { source, .. }
        | Self::Refused { source, .. }
        | Self::Read { source, .. }) = self
        else {
            return None;
        };
        Some(match source.raw_os_error()? {
            libc::EPERM | libc::EACCES => {
                "changing rules needs CAP_NET_ADMIN in the user namespace that owns the network namespace"
            }
            libc::EPROTONOSUPPORT => {
                "this kernel has no netfilter netlink (CONFIG_NETFILTER_NETLINK)"
            }
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT => {
                "this kernel lacks a part of nf_tables: load nf_tables, nft_ct, nft_log, nft_limit and nft_nat (`modprobe`)"
            }
            libc::ENOENT => {
                "a chain or set it names is missing, or the kernel lacks the module of an expression: nft_ct, nft_log, nft_limit, nft_nat"
            }
            libc::ENFILE => "the set is full: it was created with a size",
            libc::EMSGSIZE | libc::ENOBUFS => "raise net.core.wmem_max",
            libc::ENOMEM => "the kernel is out of memory for rules",
            libc::ELOOP | libc::EMLINK => "chains jump in a circle, or more than 16 deep",
            libc::EEXIST => "an element stands there twice, or overlaps another",
            libc::EBUSY => "something still uses it",
            _ => return None,
        })
    }
}

impl Nft {
    /// # Errors
    /// [`NftError::Open`] where the kernel has no netfilter netlink.
    pub fn open() -> Result<Self, NftError> {
        let socket = NetfilterSocket::open().map_err(NftError::Open)?;
        Ok(Self {
            socket,
            limit: None,
        })
    }

    /// Lets a test split small tables.
    #[must_use]
    pub fn with_transaction_limit(mut self, bytes: usize) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// Makes the kernel's table of this name equal to `table`, in one step.
    ///
    /// # Errors
    /// Nothing has changed then: one bad message undoes the whole transaction.
    pub fn replace(&mut self, table: &Table) -> Result<(), NftError> {
        check::table(table)?;
        let items = encode::table(table);
        let live = self.live_names(&table.name)?;
        let mut whole = Transaction::new(&table.name);
        for name in &live {
            whole.push(encode::delete_table(name));
        }
        whole.extend(items.for_table(&table.name));
        if whole.len() <= self.transaction_limit(whole.len()) {
            return whole.commit(&mut self.socket);
        }
        self.replace_in_steps(&table.name, &items, &live)
    }

    /// Turns a table loaded as `from` into `to`, in one step: by elements alone
    /// where that suffices, which keeps counters, else by replacement.
    ///
    /// # Errors
    /// As [`Nft::replace`].
    pub fn update(&mut self, from: &Table, to: &Table) -> Result<(), NftError> {
        let Some(changes) = element_changes(from, to) else {
            return self.replace(to);
        };
        check::table(to)?;
        let live = self.live_name(&to.name)?;
        let mut transaction = Transaction::new(&to.name);
        for set in &changes.removed {
            transaction.extend(encode::elements(&live, set, encode::ElementChange::Delete));
        }
        for set in &changes.added {
            transaction.extend(encode::elements(&live, set, encode::ElementChange::Add));
        }
        if transaction.len() > self.transaction_limit(transaction.len()) {
            return self.replace(to);
        }
        transaction.commit(&mut self.socket)
    }

    /// Deletes the table, if it is there.
    ///
    /// # Errors
    /// As [`Nft::replace`].
    pub fn delete(&mut self, table: &str) -> Result<(), NftError> {
        let mut deletion = Transaction::new(table);
        for name in self.live_names(table)? {
            deletion.push(encode::delete_table(&name));
        }
        deletion.commit(&mut self.socket)
    }

    /// Adds each set's elements to the set of that name, all or none.
    ///
    /// # Errors
    /// As [`Nft::replace`]; `EEXIST` where an element already maps to something else.
    pub fn add_elements(&mut self, table: &str, sets: &[Set]) -> Result<(), NftError> {
        self.change_elements(table, sets, encode::ElementChange::Add)
    }

    /// Deletes each set's elements from the set of that name, all or none.
    ///
    /// # Errors
    /// As [`Nft::replace`]; `ENOENT` where an element is not there.
    pub fn delete_elements(&mut self, table: &str, sets: &[Set]) -> Result<(), NftError> {
        self.change_elements(table, sets, encode::ElementChange::Delete)
    }

    /// Every rule that counts, in the order of the ruleset.
    ///
    /// # Errors
    /// [`NftError::Read`] with the kernel's reason.
    pub fn rule_counters(&mut self, table: &str) -> Result<Vec<RuleCounter>, NftError> {
        let live = self.live_name(table)?;
        counter::rules(&mut self.socket, &live, None)
    }

    /// The rules of one chain that count.
    ///
    /// # Errors
    /// [`NftError::Read`] with the kernel's reason.
    pub fn chain_counters(
        &mut self,
        table: &str,
        chain: &str,
    ) -> Result<Vec<RuleCounter>, NftError> {
        let live = self.live_name(table)?;
        counter::rules(&mut self.socket, &live, Some(chain))
    }

    /// The keys packets have added to a [`counted`](crate::blueprint::ruleset::Content::Counted) set.
    ///
    /// # Errors
    /// [`NftError::Read`] with the kernel's reason.
    pub fn counted_keys(&mut self, table: &str, set: &Set) -> Result<Vec<CountedKey>, NftError> {
        let live = self.live_name(table)?;
        counter::keys(&mut self.socket, &live, set)
    }

    fn change_elements(
        &mut self,
        table: &str,
        sets: &[Set],
        change: encode::ElementChange,
    ) -> Result<(), NftError> {
        let live = self.live_name(table)?;
        let mut transaction = Transaction::new(table);
        for set in sets {
            check::elements(table, set)?;
            transaction.extend(encode::elements(&live, set, change));
        }
        transaction.commit(&mut self.socket)
    }

    fn replace_in_steps(
        &mut self,
        name: &str,
        items: &encode::TableItems<'_>,
        live: &[String],
    ) -> Result<(), NftError> {
        let staged = names(name).into_iter().find(|n| !live.contains(n));
        // Both names in use: an earlier replacement failed between two steps.
        let staged = staged.unwrap_or_else(|| second_name(name));
        let result = self.stage(name, &staged, items, live);
        if result.is_err() && !live.contains(&staged) {
            let mut undo = Transaction::new(name);
            undo.push(encode::delete_table(&staged));
            // The first error is the one to tell; a leftover has no hooks and
            // the next replacement removes it.
            drop(undo.commit(&mut self.socket));
        }
        result
    }

    fn stage(
        &mut self,
        name: &str,
        staged: &str,
        items: &encode::TableItems<'_>,
        live: &[String],
    ) -> Result<(), NftError> {
        let mut step = Transaction::new(name);
        if live.iter().any(|n| n == staged) {
            step.push(encode::delete_table(staged));
        }
        let limit = self.transaction_limit(usize::MAX);
        for item in items.without_hooks(staged) {
            if step.len() + item.len() > limit {
                std::mem::replace(&mut step, Transaction::new(name)).commit(&mut self.socket)?;
            }
            step.push(item);
        }
        step.commit(&mut self.socket)?;
        let mut last = Transaction::new(name);
        for old in live.iter().filter(|n| *n != staged) {
            last.push(encode::delete_table(old));
        }
        last.extend(items.hooks(staged));
        last.commit(&mut self.socket)
    }

    /// How much one send takes: the kernel's own test is against the send
    /// buffer less 32 bytes.
    fn transaction_limit(&self, wanted: usize) -> usize {
        let limit = transaction::send_limit(&self.socket, wanted);
        self.limit.map_or(limit, |lower| lower.min(limit))
    }

    fn live_name(&mut self, name: &str) -> Result<String, NftError> {
        Ok(self
            .live_names(name)?
            .into_iter()
            .next()
            .unwrap_or_else(|| name.to_owned()))
    }

    fn live_names(&mut self, name: &str) -> Result<Vec<String>, NftError> {
        let wanted = names(name);
        let mut live = counter::tables(&mut self.socket, name)?;
        live.retain(|n| wanted.contains(n));
        Ok(live)
    }
}

/// The two names a table lives under: the second while the first is replaced in steps.
fn names(name: &str) -> [String; 2] {
    [name.to_owned(), second_name(name)]
}

fn second_name(name: &str) -> String {
    format!("{name}.b")
}
