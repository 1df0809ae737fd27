//! Kafka's jars, from Maven.

use crate::maven::{self, Artifact};
use crate::tools::Tools;
use anyhow::Result;
use std::path::{Path, PathBuf};

pub const VERSION: &str = "4.1.0";

const KAFKA: Artifact = Artifact {
    name: "Apache Kafka",
    version: VERSION,
    pom: include_str!("../../kafka/pom.xml"),
    goal: "dependency:copy-dependencies",
    megabytes: 43,
};

/// The folder of Kafka's jars below `jars`, resolved where they are not there yet. Whoever comes second waits.
///
/// # Errors
/// What Maven said.
pub fn resolve(jars: &Path, tools: &Tools, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    maven::resolve(&KAFKA, jars, tools, say)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pom_has_the_version() {
        let text = format!("<artifactId>kafka_2.13</artifactId>\n      <version>{}</version>", KAFKA.version);
        assert!(KAFKA.pom.contains(&text));
    }
}
