//! Placeholder.
/// x
#[derive(Debug)]
pub struct Secrets;
/// `0a1b…`
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
