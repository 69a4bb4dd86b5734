//! Sizes of memory as people write them → bytes.
//!
//! Must not know keys: it is given a text and answers with a number or with what is wrong.

/// The forms, for messages.
pub(crate) const FORMS: &str = "write bytes, or `512m`, `4g`, `4GiB`";

/// Reads `512m`, `4g`, `4GiB`, `1.5gb` or a number of bytes. As in Docker, every unit is a power
/// of 1024.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match text[end..].trim_start().to_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "ki" | "kib" => 1_024.0,
        "m" | "mb" | "mi" | "mib" => 1_048_576.0,
        "g" | "gb" | "gi" | "gib" => 1_073_741_824.0,
        "t" | "tb" | "ti" | "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, expected| assert_eq!(parse(text), expected, "{text}");
        check("512m", Some(536_870_912.0));
        check("4GiB", Some(4_294_967_296.0));
        check("1.5g", Some(1_610_612_736.0));
        check("1024", Some(1_024.0));
        check("lots", None);
        check("4x", None);
        check("", None);
    }
}
