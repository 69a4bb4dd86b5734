//! "did you mean": the nearest of some names.
//!
//! Must not know what the names are of.

/// The name nearest to `word`, if one is near enough to have been meant.
///
/// Distance counts inserted, deleted, replaced and swapped neighbouring letters, upper and lower
/// case alike; about a third of the letters may differ.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let limit = (wanted.len() / 3).clamp(1, 4);
    let near = |name: &str| name.chars().count().abs_diff(wanted.len()) <= limit;
    let names: Vec<&'a str> = names.into_iter().collect();
    let by_distance = names
        .iter()
        .copied()
        .filter(|name| near(name))
        .map(|name| (distance(&wanted, &name.to_lowercase().chars().collect::<Vec<_>>()), name))
        .filter(|(far, name)| *far <= limit && (*far < name.chars().count()))
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name);
    by_distance.or_else(|| by_stem(&wanted, &names))
}

/// The shortest name that begins as the word does up to its last letter: `retry` → `retries`.
fn by_stem<'a>(wanted: &[char], names: &[&'a str]) -> Option<&'a str> {
    const STEM_CHARS_MIN: usize = 4;
    if wanted.len() <= STEM_CHARS_MIN {
        return None;
    }
    let stem: String = wanted[..wanted.len() - 1].iter().collect();
    let begins = |name: &&&str| name.to_lowercase().starts_with(&stem);
    names.iter().filter(begins).min_by_key(|name| name.len()).copied()
}

/// `; did you mean "x"?`, or nothing.
pub(crate) fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, names).map_or_else(String::new, |name| format!("; did you mean \"{name}\"?"))
}

/// The optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; width];
        for j in 1..width {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let names = ["retries", "retry_delay", "needs", "pool", "mem_limit"];
        let check = |word: &str, expected| assert_eq!(nearest(word, names), expected, "{word}");
        check("retires", Some("retries"));
        check("need", Some("needs"));
        check("Pool", Some("pool"));
        check("memory_limit", Some("mem_limit"));
        check("image", None);
        check("retry", Some("retries"));
        check("pools_of", None);
        check("", None);
        check("x", None);
    }
}
