//! Ids in the shape that Airflow's client insists on: UUIDs, made from our numbers.

use sha2::{Digest as _, Sha256};

/// A UUID (version 8) that is always the same for a kind and a number.
pub(crate) fn of(kind: &str, number: i64) -> String {
    let mut digest = Sha256::new();
    digest.update(b"millrace:");
    digest.update(kind.as_bytes());
    digest.update(number.to_be_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    let high = u64::from_be_bytes([
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
    ]);
    let low = u64::from_be_bytes([
        bytes[8], bytes[9], bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15],
    ]);
    format!(
        "{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn uuids_are_stable_and_apart() {
        let one = of("task_instance", 1);
        assert_eq!(one, of("task_instance", 1));
        assert_ne!(one, of("task_instance", 2));
        assert_ne!(one, of("dag_version", 1));
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert_eq!(&one[14..15], "8", "{one}");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }
}
