//! Which known word did the author probably mean?

/// Longer words are not compared: nobody misspells a paragraph.
const LONGEST_WORD: usize = 64;

/// No more candidates are compared than a template within limits can have.
const MAX_CANDIDATES: usize = 1000;

/// "did you mean" advice for an unknown word, when a candidate is close.
pub(crate) fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The candidate within a third of the word's length in edits; the first of
/// equals wins.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let letters = lowercase(word)?;
    let tolerance = (letters.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter_map(|candidate| {
            let other = lowercase(candidate)?;
            let near = letters.len().abs_diff(other.len()) <= tolerance;
            let distance = near.then(|| edits(&letters, &other))?;
            (distance <= tolerance).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn lowercase(word: &str) -> Option<Vec<char>> {
    let letters = word.chars().take(LONGEST_WORD + 1);
    let letters: Vec<char> = letters.flat_map(char::to_lowercase).collect();
    (letters.len() <= LONGEST_WORD).then_some(letters)
}

/// Insertions, deletions, replacements and swaps of neighbours between two
/// words (optimal string alignment).
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let cost = usize::from(from[i - 1] != to[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let names = ["AppSecurityGroup", "Vpc", "PublicSubnetA", "PublicSubnetB"];
        assert_eq!(nearest("AppSecurtyGroup", names), Some("AppSecurityGroup"));
        assert_eq!(nearest("VPC", names), Some("Vpc"));
        assert_eq!(nearest("Vcp", names), Some("Vpc"));
        assert_eq!(nearest("PublicSubentB", names), Some("PublicSubnetB"));
        assert_eq!(nearest("Database", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), names), None);
    }
}
