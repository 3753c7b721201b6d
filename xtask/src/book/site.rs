//! The site, looked at as its readers do: in a browser without a window.

use super::{Api, build_site, cache};
use crate::install::{self, CHROMIUM, NODE, NPM};
use crate::shell::{Result, capture, root};
use crate::test::Tally;
use hachi_test::find_program;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What drives the browser, and what judges pages: packages of npm. Neither fetches anything
/// itself.
const PACKAGES: [(&str, &str); 2] = [("playwright-core", "1.65.1"), ("axe-core", "4.14.1")];

/// Names of the browser, the smallest first.
const BROWSERS: [&str; 3] = ["chromium-headless-shell", "chromium", "chromium-browser"];

/// Builds the site without the documentation of the API, and tests it.
pub fn test(tally: &mut Tally) -> Result {
    if let Some((tool, reason)) = install::ensure(&[NODE, NPM]).into_iter().next() {
        tally.skip(&format!("what needs `{}`", tool.program), reason);
        return Ok(());
    }
    let browser = || BROWSERS.iter().find_map(|name| find_program(name));
    let missing = match browser() {
        Some(_) => None,
        None => install::ensure(&[CHROMIUM]).into_iter().next(),
    };
    let site = build_site(Api::LeftOut)?;
    let tests = root().join("book/page");
    run(tally, &mut node(&tests.join("packet.test.mjs")))?;
    let browser = match (browser(), missing) {
        (Some(browser), _) => browser,
        (None, Some((_, reason))) => {
            tally.skip("the site in a browser", reason);
            return Ok(());
        }
        (None, None) => return Err("the browser is installed, but not in PATH".into()),
    };
    let tools = match packages() {
        Ok(tools) => tools,
        Err(error) => {
            tally.skip("the site in a browser", error);
            return Ok(());
        }
    };
    let mut node = node(&tests.join("site.test.mjs"));
    node.env("SITE", site)
        .env("TOOLS", tools)
        .env("CHROMIUM", browser);
    run(tally, &mut node)
}

/// Node.js with a file of tests.
fn node(file: &Path) -> Command {
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap"]).arg(file);
    node
}

/// Runs tests of node's and counts them; what fails is shown whole.
fn run(tally: &mut Tally, node: &mut Command) -> Result {
    let said = capture(node)?;
    let count = |word: &str| {
        let mut lines = said.lines();
        lines.find_map(|line| {
            line.strip_prefix("# ")?
                .strip_prefix(word)?
                .trim()
                .parse()
                .ok()
        })
    };
    match count("pass") {
        None | Some(0) => Err("no test ran".into()),
        Some(passed) => {
            println!("{passed} tests of pages passed");
            tally.passed += passed;
            Ok(())
        }
    }
}

/// The directory with the packages, installed there once.
fn packages() -> Result<PathBuf> {
    let names = PACKAGES.map(|(name, version)| format!("{name}@{version}"));
    let place = cache()?.join("tools").join(names.join("-"));
    let is_there = |(name, _): &(&str, &str)| place.join("node_modules").join(name).is_dir();
    if PACKAGES.iter().all(is_there) {
        return Ok(place);
    }
    std::fs::create_dir_all(&place)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]);
    npm.arg("--prefix").arg(&place).args(names);
    println!(
        "installing {}",
        PACKAGES.map(|(name, _)| name).join(" and ")
    );
    capture(&mut npm)?;
    Ok(place)
}
