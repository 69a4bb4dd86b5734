//! `run_as_user`: the account of a task's process (Airflow: impersonation by sudo; here by root).
//!
//! `setpriv` gives up root's rights and becomes the program, with all groups of the account, so no
//! privileged process stays behind. Must not decide which tasks may have another account.

use std::ffi::OsString;
use std::path::Path;

use tokio::process::Command;

/// Where distributions put it.
const SETPRIV: &[&str] = &["/usr/bin/setpriv", "/bin/setpriv", "/usr/sbin/setpriv"];

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
    pub(crate) shell: String,
    /// The program that changes to it; none when the worker has it already.
    setpriv: Option<&'static str>,
}

impl Account {
    /// Looks an account up by its name.
    ///
    /// # Errors
    /// It does not exist, or this worker may not change to it; the text says what to do.
    pub(crate) async fn find(name: &str) -> Result<Self, String> {
        if name.is_empty() || name.starts_with('-') || name.contains([':', '\0', '\n']) {
            return Err(format!("`run_as_user`: \"{}\" is no account", name.escape_debug()));
        }
        let found = Command::new("getent").args(["passwd", name]).output().await;
        let found = found.map_err(|error| format!("`run_as_user`: getent: {error}"))?;
        let line = String::from_utf8_lossy(&found.stdout).into_owned();
        let mut account = parse(&line).ok_or_else(|| {
            format!("`run_as_user`: this worker's machine has no account \"{name}\"")
        })?;
        let own = rustix::process::geteuid();
        if own.as_raw() == account.uid {
            return Ok(account);
        }
        if !own.is_root() {
            return Err(format!(
                "`run_as_user: {name}` needs a worker that runs as root, and this one has the uid {}; \
                 start one as root for a queue of its own, or remove the key",
                own.as_raw()
            ));
        }
        let setpriv = SETPRIV.iter().find(|path| Path::new(path).exists());
        account.setpriv = Some(*setpriv.ok_or(
            "`run_as_user` needs the program setpriv (package util-linux) on the worker's machine",
        )?);
        Ok(account)
    }

    /// The words that stand before a program to run it under the account.
    pub(crate) fn become_it(&self) -> Vec<OsString> {
        let Some(setpriv) = self.setpriv else { return Vec::new() };
        let (uid, gid) = (format!("--reuid={}", self.uid), format!("--regid={}", self.gid));
        vec![setpriv.into(), uid.into(), gid.into(), "--init-groups".into(), "--".into()]
    }

    /// Whether it is another than the worker's.
    pub(crate) fn is_other(&self) -> bool {
        self.setpriv.is_some()
    }
}

/// A line of the account database: `name:x:uid:gid:comment:home:shell`.
fn parse(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.lines().next()?.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    Some(Account {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
        shell: shell.to_owned(),
        setpriv: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_account_database() {
        let check = |line: &str, expected: Option<(&str, u32, u32, &str)>| {
            let found = parse(line);
            let found = found.as_ref().map(|a| (a.name.as_str(), a.uid, a.gid, a.home.as_str()));
            assert_eq!(found, expected, "{line}");
        };
        check("ml:x:1001:100:ML,,,:/home/ml:/bin/bash\n", Some(("ml", 1001, 100, "/home/ml")));
        check("", None);
        check("ml:x:many:100::/home/ml:/bin/sh", None);
        check("ml:x:1", None);
    }

    #[tokio::test]
    async fn an_account_that_cannot_be_had_is_said() {
        let check = async |name: &str, expected: &str| {
            let problem = Account::find(name).await.expect_err("no such account");
            assert!(problem.contains(expected), "{problem}");
        };
        check("nobody-has-this-name", "has no account \"nobody-has-this-name\"").await;
        check("--help", "is no account").await;
        check("", "is no account").await;
    }
}
