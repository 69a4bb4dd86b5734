//! The import rules of the architecture, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let normal = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
                .collect();
            (package["name"].as_str().expect("a name").to_owned(), normal)
        })
        .collect()
}

#[test]
fn crates_import_only_downwards() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("millrace-core", &[][..]),
        ("millrace-store", &["millrace-core"][..]),
        ("millrace-scheduler", &["millrace-core", "millrace-store"][..]),
        ("millrace-worker", &["millrace-core"][..]),
        ("millrace-api", &["millrace-core", "millrace-store"][..]),
    ]);
    let found = dependencies();
    for (name, allowed) in allowed {
        let ours: Vec<_> =
            found[name].iter().filter(|other| other.starts_with("millrace")).collect();
        for other in ours {
            assert!(allowed.contains(&other.as_str()), "{name} must not import {other}");
        }
    }
}

#[test]
fn the_core_is_pure() {
    let found = dependencies();
    for banned in ["tokio", "sqlx", "axum", "bollard", "reqwest", "tracing", "getrandom"] {
        assert!(!found["millrace-core"].contains(banned), "millrace-core must not import {banned}");
    }
    let shells = ["millrace-core", "millrace-scheduler", "millrace-worker", "millrace-api"];
    for name in shells.into_iter().filter(|name| *name != "millrace-worker") {
        assert!(!found[name].contains("sqlx"), "{name} must not speak SQL");
    }
}
