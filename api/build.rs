//! Builds the program anew when the dashboard was built anew. It runs nothing and makes nothing.
//!
//! A folder that is missing would make every build a new one, so it is only watched when it is
//! there; after the first build of the dashboard, touch this file (`make ui` does).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::path::Path::new("../ui/dist/index.html").exists() {
        println!("cargo:rerun-if-changed=../ui/dist");
    }
}
