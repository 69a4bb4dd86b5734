//! The surroundings of an SQLite file that matter.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Finding, Severity};
use crate::db::{Sql, StoreError};
use crate::store::Store;

/// Below this much free space a warning.
const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// File systems on which SQLite's locks and its shared memory do not work reliably.
const NETWORK_FILE_SYSTEMS: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "lustre",
    "gpfs",
    "beegfs",
];

pub(super) async fn check(store: &Store) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let sql = Sql::new(
        "-- preflight::journal
PRAGMA journal_mode",
    );
    let mode = store.db.row(sql).await?.map(|row| row.reader().text()).transpose()?;
    if mode.as_deref() != Some("wal") {
        findings.push(Finding {
            severity: Severity::Error,
            what: format!("the journal mode is {}", mode.unwrap_or_default()),
            why: "without a write-ahead log readers block the scheduler",
            fix: "put the database on a local disk".to_owned(),
        });
    }
    if let Some(path) = store.file() {
        permissions(path, &mut findings);
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        file_system(&path, &mounts, &mut findings);
        space(&path, &mut findings);
    }
    Ok(findings)
}

fn permissions(path: &Path, findings: &mut Vec<Finding>) {
    let Ok(metadata) = path.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        findings.push(Finding {
            severity: Severity::Warning,
            what: format!("the database file {} has the mode {mode:o}", path.display()),
            why: "other users of this machine can read runs, XComs and logins",
            fix: format!("chmod 600 {}", path.display()),
        });
    }
}

/// `device mountpoint type options …`; spaces in paths are written `\040`.
fn file_system(path: &Path, mounts: &str, findings: &mut Vec<Finding>) {
    let mounted = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let point = words.nth(1)?.replace("\\040", " ");
            let kind = words.next()?;
            path.starts_with(&point).then_some((point, kind))
        })
        .max_by_key(|(point, _)| point.len());
    if let Some((point, kind)) = mounted
        && NETWORK_FILE_SYSTEMS.contains(&kind)
    {
        findings.push(Finding {
            severity: Severity::Error,
            what: format!("the database file {} is on {kind} ({point})", path.display()),
            why: "locks and shared memory do not work over a network; the file would be destroyed",
            fix: "move the home folder to a local disk, or use MariaDB".to_owned(),
        });
    }
}

fn space(path: &Path, findings: &mut Vec<Finding>) {
    let Ok(state) = rustix::fs::statvfs(path) else { return };
    let free = state.f_bavail.saturating_mul(state.f_frsize);
    if free < FREE_BYTES_MIN {
        findings.push(Finding {
            severity: Severity::Warning,
            what: format!("only {} MiB are free below {}", free >> 20, path.display()),
            why: "when the disk is full nothing can be scheduled",
            fix: "make room, or move the home folder".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_by_the_longest_mount_point() {
        let mounts = "/dev/sda1 / ext4 rw 0 0\nserver:/x /mnt/my\\040home nfs4 rw 0 0\n\
                      tmpfs /mnt/my\\040home/local tmpfs rw 0 0\n";
        let check = |path: &str, expected: usize| {
            let mut findings = Vec::new();
            file_system(Path::new(path), mounts, &mut findings);
            assert_eq!(findings.len(), expected, "{path}: {findings:?}");
        };
        check("/home/millrace.db", 0);
        check("/mnt/my home/millrace.db", 1);
        check("/mnt/my home/local/millrace.db", 0);
        check("/mnt/my homestead/millrace.db", 0);
    }

    #[tokio::test]
    async fn a_fresh_file_is_good_and_an_open_one_is_found() {
        let (_kept, fixture) = crate::testing::sqlite().await;
        let path = fixture.store.file().unwrap().to_path_buf();
        let found = check(&fixture.store).await.unwrap();
        assert!(!found.iter().any(|finding| finding.what.contains("mode")), "{found:?}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let found = check(&fixture.store).await.unwrap();
        assert!(found.iter().any(|finding| finding.fix.contains("chmod 600")), "{found:?}");
    }
}
