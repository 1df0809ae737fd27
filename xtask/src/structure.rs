//! The rules of who may know whom.

use crate::cargo;
use crate::services::SERVICES;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What a domain does not name, because it does IO.
const IO_CRATES: [&str; 8] = ["sqlx", "axum", "rdkafka", "redis", "tokio", "reqwest", "lettre", "service_kit"];
/// Whom each of our own libraries may depend on.
const MAY_KNOW: [(&str, &[&str]); 4] = [
    ("common", &[]),
    ("engine", &["common"]),
    ("service-kit", &["common", "engine"]),
    ("identity", &["common", "service-kit"]),
];
const FOR_SERVICES: [&str; 4] = ["common", "engine", "service-kit", "identity"];
/// These are for development: nothing that is shipped may have them.
const DEVELOPMENT: [&str; 5] = ["testkit", "stack", "tests", "bench", "xtask"];

pub(crate) fn check() -> Result<()> {
    let mut wrong = Vec::new();
    let packages = packages()?;
    for package in &packages {
        wrong.extend(wrong_dependencies(package));
    }
    for (service, _) in SERVICES {
        ensure!(packages.iter().any(|package| package.name == service), "the service {service} is missing");
        wrong.extend(io_in_domain(&stack::checkout().join("services").join(service).join("src"))?);
        if has_failpoints(service, "normal,features")? {
            wrong.push(format!("{service} is built with failpoints"));
        }
    }
    // Else nothing would be found in the services either.
    ensure!(has_failpoints("tests", "normal,dev,features")?, "the tests are built without failpoints");
    ensure!(wrong.is_empty(), "\n  {}", wrong.join("\n  "));
    Ok(())
}

struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// Of tests only.
    dev: bool,
}

fn packages() -> Result<Vec<Package>> {
    let metadata = cargo::metadata()?;
    let packages = metadata["packages"].as_array().context("metadata list packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependency = |told: &Value| Dependency { name: text(&told["name"]), dev: told["kind"] == "dev" };
    let package = |told: &Value| Package {
        name: text(&told["name"]),
        dependencies: told["dependencies"].as_array().into_iter().flatten().map(dependency).collect(),
    };
    Ok(packages.iter().map(package).collect())
}

fn wrong_dependencies(package: &Package) -> Vec<String> {
    let is_service = |name: &str| SERVICES.iter().any(|(service, _)| *service == name);
    let library = MAY_KNOW.iter().find(|(name, _)| *name == package.name);
    let allowed: &[&str] = match library {
        Some((_, allowed)) => allowed,
        None if is_service(&package.name) => &FOR_SERVICES,
        None => return Vec::new(),
    };
    let mut wrong = Vec::new();
    for Dependency { name, dev } in &package.dependencies {
        let ours = is_service(name) || MAY_KNOW.iter().any(|(library, _)| library == name);
        let why = if ours && !allowed.contains(&name.as_str()) {
            "which it must not know"
        } else if !dev && DEVELOPMENT.contains(&name.as_str()) {
            "which is for development"
        } else if !dev && name == "rdkafka" && package.name != "engine" {
            "which only the engine may use"
        } else {
            continue;
        };
        wrong.push(format!("{} depends on {name}, {why}", package.name));
    }
    wrong
}

fn io_in_domain(src: &Path) -> Result<Vec<String>> {
    let (root, folder) = (src.join("domain.rs"), src.join("domain"));
    if !root.exists() {
        return Ok(vec![format!("{} is missing", root.display())]);
    }
    let mut files = if folder.exists() { cargo::rust_files(&folder)? } else { Vec::new() };
    files.push(root);
    let mut wrong = Vec::new();
    for file in files {
        let named = io_crates_named(&fs::read_to_string(&file)?);
        wrong.extend(named.into_iter().map(|(line, name)| format!("{}:{line} names {name}", file.display())));
    }
    Ok(wrong)
}

/// The IO crates that a source names outside comments, with their lines.
fn io_crates_named(source: &str) -> Vec<(usize, &'static str)> {
    let mut named = Vec::new();
    for (line, number) in source.lines().zip(1..) {
        let code = line.split("//").next().unwrap_or_default();
        for word in code.split(|c: char| !c.is_alphanumeric() && c != '_') {
            named.extend(IO_CRATES.iter().find(|name| **name == word).map(|name| (number, *name)));
        }
    }
    named
}

/// Whether the engine that `package` gets over `edges` has what only tests may switch on.
fn has_failpoints(package: &str, edges: &str) -> Result<bool> {
    let tree = cargo::ask(&["tree", "--quiet", "--edges", edges, "--package", package])?;
    ensure!(tree.contains("engine feature \"default\""), "cargo tree tells features in another way than it did");
    Ok(tree.contains("engine feature \"failpoints\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependency: &str, dev: bool) -> Package {
        Package { name: name.to_owned(), dependencies: vec![Dependency { name: dependency.to_owned(), dev }] }
    }

    #[test]
    fn dependencies_point_one_way() {
        for (name, dependency, dev) in [
            ("order", "payment", false),
            ("order", "payment", true),
            ("order", "rdkafka", false),
            ("order", "testkit", false),
            ("common", "engine", false),
            ("engine", "service-kit", true),
            ("service-kit", "identity", false),
            ("service-kit", "rdkafka", false),
        ] {
            assert_eq!(wrong_dependencies(&package(name, dependency, dev)).len(), 1, "{name} -> {dependency}");
        }
        for (name, dependency, dev) in [
            ("order", "identity", false),
            ("engine", "rdkafka", false),
            ("service-kit", "stack", true),
            ("testkit", "rdkafka", false),
            ("tests", "order", true),
        ] {
            assert_eq!(wrong_dependencies(&package(name, dependency, dev)), [""; 0], "{name} -> {dependency}");
        }
    }

    #[test]
    fn a_domain_names_no_io() {
        assert_eq!(io_crates_named("use time::Duration;\nuse {sqlx, axum::Router};"), [(2, "sqlx"), (2, "axum")]);
        assert_eq!(io_crates_named("x: tokio::time::Instant // not redis\n/// nor axum\n"), [(1, "tokio")]);
        assert_eq!(io_crates_named("let redistribute = my_redis;"), []);
    }
}
