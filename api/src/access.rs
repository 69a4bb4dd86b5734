//! Who may do what: roles, actions, and the caller of a request.
//!
//! Owns the only table of rights. Every route names one [`Action`]; the few that need none are
//! listed in [`PUBLIC`] by method and matched route, never by the text of a path.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::Problem;

/// The routes without credentials; everything else is refused without them.
pub(crate) const PUBLIC: &[(&str, &str)] = &[
    ("GET", "/api/v2/version"),
    ("GET", "/api/v2/monitor/health"),
    ("POST", "/auth/token"),
    ("POST", "/auth/token/cli"),
];

/// What the bearer of a token may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also triggers, clears, marks and pauses.
    Operator,
    /// Also changes variables, connections and pools, and deletes runs.
    Editor,
    /// Everything that people do.
    Admin,
    /// A worker: nothing but the worker protocol, which nobody else may speak.
    Worker,
}

impl Role {
    /// The role of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            "editor" => Some(Self::Editor),
            "admin" => Some(Self::Admin),
            "worker" => Some(Self::Worker),
            _ => None,
        }
    }

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Worker => "worker",
        }
    }

    /// Whether it may do something.
    pub(crate) fn may(self, action: Action) -> bool {
        match (self, action) {
            (Self::Worker, action) => action == Action::WorkerProtocol,
            (_, Action::WorkerProtocol) => false,
            (role, action) => role >= action.least(),
        }
    }
}

/// What a route does, as a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Read DAGs, runs, task instances, import errors, live events.
    DagRead,
    /// Pause and unpause.
    DagEdit,
    /// Create a run.
    DagTrigger,
    /// Clear.
    RunClear,
    /// Set states and notes by hand.
    RunMark,
    /// Delete a run.
    RunDelete,
    /// Read logs and rendered fields.
    LogRead,
    /// Read XComs.
    XComRead,
    /// Read pools.
    PoolRead,
    /// Change pools.
    PoolWrite,
    /// Read variables; secret ones are masked.
    VariableRead,
    /// Change variables.
    VariableWrite,
    /// Read connections without their secrets.
    ConnectionRead,
    /// Change connections.
    ConnectionWrite,
    /// Read the event log.
    AuditRead,
    /// Read what the installation consists of.
    SystemRead,
    /// Ask who one is.
    SelfRead,
    /// Speak the worker protocol.
    WorkerProtocol,
}

impl Action {
    /// The least role that may do it.
    const fn least(self) -> Role {
        match self {
            Self::DagRead
            | Self::LogRead
            | Self::XComRead
            | Self::PoolRead
            | Self::SystemRead
            | Self::SelfRead
            | Self::AuditRead => Role::Viewer,
            Self::DagEdit
            | Self::DagTrigger
            | Self::RunClear
            | Self::RunMark
            | Self::VariableRead
            | Self::ConnectionRead => Role::Operator,
            Self::PoolWrite | Self::VariableWrite | Self::ConnectionWrite | Self::RunDelete => {
                Role::Editor
            }
            Self::WorkerProtocol => Role::Worker,
        }
    }
}

/// Who sent a request; put there by the guard, so a handler that asks for it cannot be reached
/// without credentials.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user, or the name of the token.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// The token as sent; never printed.
    pub(crate) token: BearerToken,
}

/// A token as sent.
#[derive(Clone)]
pub(crate) struct BearerToken(pub(crate) String);

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_grow_and_workers_stand_apart() {
        let check = |action: Action, expected: [bool; 5]| {
            let roles = [Role::Viewer, Role::Operator, Role::Editor, Role::Admin, Role::Worker];
            assert_eq!(roles.map(|role| role.may(action)), expected, "{action:?}");
        };
        check(Action::DagRead, [true, true, true, true, false]);
        check(Action::DagTrigger, [false, true, true, true, false]);
        check(Action::ConnectionRead, [false, true, true, true, false]);
        check(Action::ConnectionWrite, [false, false, true, true, false]);
        check(Action::WorkerProtocol, [false, false, false, false, true]);
    }
}
