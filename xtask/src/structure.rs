//! The rules of who may know whom.

use crate::cargo;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const SERVICES: [&str; 5] = ["product", "inventory", "order", "payment", "notification"];
/// What a domain does not name, because it does IO.
const IO_CRATES: [&str; 7] = ["sqlx", "axum", "rdkafka", "redis", "tokio", "reqwest", "lettre"];
/// Whom each of our own libraries may depend on.
const MAY_KNOW: [(&str, &[&str]); 4] = [
    ("common", &[]),
    ("engine", &["common"]),
    ("service-kit", &["common", "engine"]),
    ("identity", &["common", "engine", "service-kit"]),
];
const FOR_SERVICES: [&str; 4] = ["common", "engine", "service-kit", "identity"];

pub(crate) fn check() -> Result<()> {
    let mut wrong = Vec::new();
    let packages = packages()?;
    for package in &packages {
        wrong.extend(dependencies_of(package));
    }
    ensure!(SERVICES.iter().all(|name| packages.iter().any(|p| p.name == *name)), "a service is missing");
    for service in SERVICES {
        wrong.extend(io_in_domain(&stack::checkout().join("services").join(service).join("src"))?);
        wrong.extend(failpoints_in(service)?);
    }
    ensure!(wrong.is_empty(), "\n  {}", wrong.join("\n  "));
    Ok(())
}

struct Package {
    name: String,
    /// Normal ones only.
    dependencies: Vec<String>,
}

fn packages() -> Result<Vec<Package>> {
    let told = cargo::cargo().args(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    ensure!(told.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&told.stdout)?;
    let packages = metadata["packages"].as_array().context("metadata lists packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().cloned().unwrap_or_default();
            let dependencies = all.iter().filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect();
            Package { name: text(&package["name"]), dependencies }
        })
        .collect())
}

fn dependencies_of(package: &Package) -> Vec<String> {
    let ours = |name: &str| MAY_KNOW.iter().any(|(known, _)| *known == name) || SERVICES.contains(&name);
    let allowed: &[&str] = match MAY_KNOW.iter().find(|(name, _)| *name == package.name) {
        Some((_, allowed)) => allowed,
        None if SERVICES.contains(&package.name.as_str()) => &FOR_SERVICES,
        None => return Vec::new(),
    };
    let mut wrong: Vec<String> = package
        .dependencies
        .iter()
        .filter(|name| ours(name) && !allowed.contains(&name.as_str()))
        .map(|name| format!("{} depends on {name}, which it must not know", package.name))
        .collect();
    for tool in ["testkit", "stack", "xtask"] {
        if package.dependencies.iter().any(|name| name == tool) {
            wrong.push(format!("{} depends on {tool}, which is for development", package.name));
        }
    }
    if package.name != "engine" && package.dependencies.iter().any(|name| name == "rdkafka") {
        wrong.push(format!("{} depends on rdkafka, which only the engine may use", package.name));
    }
    wrong
}

fn io_in_domain(src: &Path) -> Result<Vec<String>> {
    let mut files = rust_files(&src.join("domain"))?;
    let root = src.join("domain.rs");
    ensure!(root.exists(), "{} is missing", root.display());
    files.push(root);
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        for name in IO_CRATES {
            let named = [format!("{name}::"), format!("use {name};")];
            if named.iter().any(|named| text.contains(named.as_str())) {
                wrong.push(format!("{} names {name}", file.display()));
            }
        }
    }
    Ok(wrong)
}

fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !dir.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// What only tests may switch on must not reach a service that is built for use.
fn failpoints_in(service: &str) -> Result<Vec<String>> {
    let told = cargo::cargo().args(["tree", "--quiet", "--edges", "normal,features", "--package", service]).output()?;
    ensure!(told.status.success(), "cargo tree of {service} failed");
    let on = String::from_utf8_lossy(&told.stdout).contains("engine feature \"failpoints\"");
    Ok(on.then(|| format!("{service} is built with failpoints")).into_iter().collect())
}
