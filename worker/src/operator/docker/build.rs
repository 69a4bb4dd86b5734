//! `build:`: an image made from a folder, only when its inputs changed.
//!
//! The key is a digest over the Dockerfile, the build arguments, the stage and every file of the
//! context that `.dockerignore` leaves; it is kept as the image's label.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt as _;
use millrace_core::operator::docker::BuildConfig;
use sha2::{Digest as _, Sha256};

use super::{Context, Failure, names};

/// The label with the digest of what an image was built from.
const BUILD: &str = "millrace.build";

/// The largest context.
const CONTEXT_BYTES_MAX: u64 = 2 << 30;

/// Makes sure that the image is built from the context as it is now.
pub(super) async fn ensure(
    context: &Context,
    docker: &Docker,
    image: &str,
    build: &BuildConfig,
) -> Result<String, Failure> {
    let folder = Path::new(&context.assignment.dag.folder).join(&build.context);
    let (wanted, dockerfile, paths) = {
        let build = build.clone();
        let inside = folder.clone();
        let read = tokio::task::spawn_blocking(move || {
            let files = files(&inside, &build.dockerfile)?;
            Ok::<_, io::Error>((digest(&build, &files)?, build.dockerfile, files))
        });
        read.await.map_err(|error| Failure::lost(format!("build context: {error}")))?.map_err(
            |error| Failure::for_good(format!("build context \"{}\": {error}", folder.display())),
        )?
    };
    if built_from(docker, image).await.as_ref() == Some(&wanted) {
        context.log.info(format!("image {image} is up to date ({})", &wanted[..12]));
        return Ok(image.to_owned());
    }
    context.log.info(format!("building {image} from {} ({})", folder.display(), &wanted[..12]));
    let packed = tokio::task::spawn_blocking(move || pack(&paths));
    let packed = packed
        .await
        .map_err(|error| Failure::lost(format!("build context: {error}")))?
        .map_err(|error| Failure::failed(format!("build context: {error}")))?;
    let options = options(image, build, &dockerfile, &wanted);
    follow(context, docker, options, packed).await?;
    Ok(image.to_owned())
}

async fn built_from(docker: &Docker, image: &str) -> Option<String> {
    let found = docker.inspect_image(image).await.ok()?;
    found.config?.labels?.remove(BUILD)
}

fn options(image: &str, build: &BuildConfig, dockerfile: &str, digest: &str) -> BuildImageOptions {
    let args: HashMap<String, String> = build
        .args
        .iter()
        .map(|(name, value)| {
            (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    let labels = HashMap::from([(BUILD.to_owned(), digest.to_owned())]);
    let options = BuildImageOptionsBuilder::default()
        .dockerfile(dockerfile)
        .t(image)
        .rm(true)
        .forcerm(true)
        .buildargs(&args)
        .labels(&labels);
    match &build.target {
        Some(target) => options.target(target).build(),
        None => options.build(),
    }
}

async fn follow(
    context: &Context,
    docker: &Docker,
    options: BuildImageOptions,
    packed: Vec<u8>,
) -> Result<(), Failure> {
    let body = bollard::body_full(Bytes::from(packed));
    let mut steps = docker.build_image(options, None, Some(body));
    while let Some(step) = steps.next().await {
        let step = step.map_err(|error| names::failure("build", &error))?;
        if let Some(problem) = step.error_detail {
            let text = problem.message.unwrap_or_else(|| "no message".to_owned());
            return Err(Failure::failed(format!("build: {text}")));
        }
        if let Some(text) = step.stream.filter(|text| !text.trim().is_empty()) {
            context.log.info(text.trim_end());
        }
    }
    Ok(())
}

/// Every file of the context by its name in it, folders and links too; sorted.
fn files(folder: &Path, dockerfile: &str) -> io::Result<BTreeMap<String, PathBuf>> {
    let ignore = std::fs::read_to_string(folder.join(".dockerignore")).unwrap_or_default();
    let rules: Vec<Rule> = ignore.lines().filter_map(Rule::read).collect();
    let mut found = BTreeMap::new();
    let mut size = 0;
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let is_folder = entry.file_type()?.is_dir();
            if is_folder {
                // Looked into even when ignored: a later `!` may take something back.
                open.push((entry.path(), format!("{name}/")));
            }
            let always = name == dockerfile || name == ".dockerignore";
            if !always && is_ignored(&rules, &name) {
                continue;
            }
            if !is_folder {
                size += entry.metadata()?.len();
            }
            if size > CONTEXT_BYTES_MAX {
                return Err(io::Error::other(format!(
                    "more than {CONTEXT_BYTES_MAX} bytes; name what is not needed in .dockerignore"
                )));
            }
            found.insert(name, entry.path());
        }
    }
    if !found.contains_key(dockerfile) {
        return Err(io::Error::other(format!("there is no file \"{dockerfile}\" in it")));
    }
    Ok(found)
}

/// One line of `.dockerignore`.
struct Rule {
    parts: Vec<String>,
    takes_back: bool,
}

impl Rule {
    fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (line, takes_back) = match line.strip_prefix('!') {
            Some(rest) => (rest.trim(), true),
            None => (line, false),
        };
        let parts = line.split('/').filter(|part| !part.is_empty() && *part != ".");
        Some(Self { parts: parts.map(str::to_owned).collect(), takes_back })
    }

    /// Whether the rule names the path or a folder above it.
    fn names(&self, path: &[&str]) -> bool {
        (1..=path.len()).any(|size| matches(&self.parts, &path[..size]))
    }
}

/// The last rule that names a path decides.
fn is_ignored(rules: &[Rule], name: &str) -> bool {
    let path: Vec<&str> = name.split('/').collect();
    rules.iter().rev().find(|rule| rule.names(&path)).is_some_and(|rule| !rule.takes_back)
}

fn matches(parts: &[String], path: &[&str]) -> bool {
    match (parts.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            (0..=path.len()).any(|skip| matches(rest, &path[skip..]))
        }
        (Some((first, rest)), Some((name, below))) => {
            matches_name(first.as_bytes(), name.as_bytes()) && matches(rest, below)
        }
        _ => false,
    }
}

/// `*` and `?` within one name.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| matches_name(rest, &name[skip..])),
        (Some((b'?', rest)), Some((_, below))) => matches_name(rest, below),
        (Some((first, rest)), Some((byte, below))) => first == byte && matches_name(rest, below),
        _ => false,
    }
}

/// The digest of everything that a build depends on, but for the base images.
fn digest(build: &BuildConfig, files: &BTreeMap<String, PathBuf>) -> io::Result<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(build.dockerfile.as_bytes());
    part(build.target.as_deref().unwrap_or_default().as_bytes());
    part(serde_json::to_string(&build.args)?.as_bytes());
    for (name, path) in files {
        let meta = std::fs::symlink_metadata(path)?;
        part(name.as_bytes());
        part(&(meta.permissions().mode() & 0o777).to_be_bytes());
        if meta.is_symlink() {
            part(std::fs::read_link(path)?.as_os_str().as_encoded_bytes());
        } else if meta.is_file() {
            let mut file = Sha256::new();
            io::copy(&mut std::fs::File::open(path)?, &mut file)?;
            part(&file.finalize());
        }
    }
    Ok(crate::report::hex(&hash.finalize()))
}

/// The context as the daemon wants it: always the same bytes for the same files.
fn pack(files: &BTreeMap<String, PathBuf>) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    for (name, path) in files {
        archive.append_path_with_name(path, name)?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_names() {
        let rules: Vec<Rule> = "# c\n*.pyc\n**/*.log\nmlruns\n!mlruns/keep.txt\n/.git\ndata/*/x?\n"
            .lines()
            .filter_map(Rule::read)
            .collect();
        let check = |name: &str, expected: bool| {
            assert_eq!(is_ignored(&rules, name), expected, "{name}");
        };
        check("a.pyc", true);
        check("b/a.pyc", false);
        check("a.log", true);
        check("b/c/a.log", true);
        check("mlruns/1/meta.yaml", true);
        check("mlruns/keep.txt", false);
        check(".git/HEAD", true);
        check("data/a/x1", true);
        check("data/a/x12", false);
        check("train.py", false);
    }

    #[test]
    fn the_digest_follows_content_arguments_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        std::fs::write(path.join("Dockerfile"), "FROM x").expect("written");
        std::fs::write(path.join("train.py"), "1").expect("written");
        std::fs::write(path.join(".dockerignore"), "*.log").expect("written");
        let mut build: BuildConfig =
            serde_json::from_value(serde_json::json!({"context": "."})).expect("a config");
        let now = |build: &BuildConfig| {
            let files = files(path, "Dockerfile").expect("files");
            digest(build, &files).expect("a digest")
        };
        let first = now(&build);
        std::fs::write(path.join("noise.log"), "x").expect("written");
        std::fs::write(path.join("train.py"), "1").expect("written again");
        assert_eq!(now(&build), first, "the same content");
        std::fs::write(path.join("train.py"), "2").expect("written");
        let second = now(&build);
        assert_ne!(second, first, "other content");
        build.args.insert("A".to_owned(), serde_json::json!("b"));
        assert_ne!(now(&build), second, "other arguments");
        assert!(files(path, "Other").expect_err("not there").to_string().contains("\"Other\""));
    }
}
