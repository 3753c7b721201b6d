//! `cargo xtask book`: builds the book, shows it, and checks that its reader gets what it says.
//!
//! Every block of a chapter is either a file that the reader types, which is one of
//! `examples/book`, or commands with their output. [`check`] compares the files, [`mod@replay`]
//! goes through the chapters as a reader does.

mod chapter;
mod page;
mod quote;
mod reference;
mod replay;
mod site;

use crate::bench;
use crate::install::{self, PING};
use crate::shell::{Result, capture, cargo, own_program, root, run as run_command, target_dir};
use chapter::{Kind, blocks, words};
use replay::Reader;
pub use site::test as test_site;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The version of mdBook that the book is built with.
const MDBOOK: &str = "0.5.4";

/// The kernel that chapters boot in a guest, for what this machine's own may refuse.
const GUEST: &str = "6.12";

/// What becomes of the blocks that boot a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guests {
    /// They run. That takes minutes, and fetches a kernel first.
    Booted,
    /// They are counted.
    LeftOut,
}

/// The option for [`Guests::Booted`].
const ALL: &str = "--all";

/// The most words from the first page to the first packet that the reader's own program drops.
const FIRST_DROP: usize = 2000;
/// Where that is.
const FIRST_DROP_MARK: &str = "<!-- first drop -->";

/// `cargo xtask book [--build | --pages | --serve | --check [--all] [FILE…] | --write]`.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        [] | ["--build"] => println!("{}", build_site(Api::Built)?.display()),
        ["--pages"] => println!("{}", build_site(Api::LeftOut)?.display()),
        ["--serve"] => serve()?,
        ["--check", rest @ ..] => {
            check()?;
            let (guests, files) = guests(rest);
            println!("{}", replay(files, guests)?);
        }
        ["--write"] => write()?,
        // What `replay` runs in namespaces of its own.
        ["--replay", rest @ ..] => {
            let (guests, files) = guests(rest);
            println!("{}", replay_here(files, guests)?);
        }
        other => {
            eprintln!("unknown option `{}`: see `cargo xtask`", other.join(" "));
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes [`ALL`] from the arguments' beginning; the others are chapters.
fn guests<'a, 'b>(arguments: &'a [&'b str]) -> (Guests, &'a [&'b str]) {
    match arguments {
        [ALL, files @ ..] => (Guests::Booted, files),
        files => (Guests::LeftOut, files),
    }
}

/// A chapter, by its file in `book/src`.
struct Chapter {
    file: String,
    text: String,
}

/// The README of the repository, which is replayed by itself.
fn readme() -> Result<Chapter> {
    let text = read(&root().join(README))?;
    let file = README.to_owned();
    Ok(Chapter { file, text })
}

/// The name of that.
const README: &str = "README.md";

/// The chapters in the order of the summary.
fn chapters() -> Result<Vec<Chapter>> {
    let source = root().join("book/src");
    let summary = read(&source.join("SUMMARY.md"))?;
    let chapter = |link: &str| {
        let text = read(&source.join(link)).map_err(|error| format!("SUMMARY.md: {error}"))?;
        let file = link.to_owned();
        Ok(Chapter { file, text })
    };
    let written = |link: &&str| !reference::is_page(link);
    links(&summary).filter(written).map(chapter).collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

impl Chapter {
    /// Whether its reader types and runs every block. The others quote from the repository.
    fn is_typed(&self) -> bool {
        self.file == README || self.file.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Where it is.
    fn directory(&self) -> PathBuf {
        match self.file == README {
            true => root().to_owned(),
            false => root().join("book/src"),
        }
    }
}

/// The targets of Markdown links into the book, without their headings.
fn links(markdown: &str) -> impl Iterator<Item = &str> {
    markdown
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

/// The file of `examples/book` that a block is.
fn example(from: &str) -> PathBuf {
    root().join("examples/book").join(from)
}

/// What the book says, without running anything: links lead somewhere, blocks are files of
/// `examples/book`, the way to the first packet is short, each chapter has what chapters have.
pub fn check() -> Result {
    let mut problems = problems_of(&readme()?);
    let (mut count, mut dropped) = (0, None);
    for chapter in chapters()? {
        problems.extend(problems_of(&chapter));
        problems.extend(missing_parts(&chapter));
        match chapter.text.split_once(FIRST_DROP_MARK) {
            Some((before, _)) if dropped.is_none() => dropped = Some(count + words(before)),
            _ => count += words(&chapter.text),
        }
    }
    match dropped {
        None => problems.push(format!("no chapter has {FIRST_DROP_MARK}")),
        Some(count) if count > FIRST_DROP => problems.push(format!(
            "{count} words to the first packet dropped: {FIRST_DROP} at most"
        )),
        Some(_) => {}
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n").into()),
    }
}

/// Links of a chapter that lead nowhere, and blocks that are not what they say.
fn problems_of(chapter: &Chapter) -> Vec<String> {
    let Chapter { file, text } = chapter;
    let missing = links(text).filter(|link| !chapter.directory().join(link).exists());
    let mut problems: Vec<String> = missing
        .map(|link| format!("{file}: there is no {link}"))
        .collect();
    problems.extend(page::problems(file, text));
    if !chapter.is_typed() {
        problems.extend(quote::problems(file, text));
        return problems;
    }
    let blocks = match blocks(text) {
        Ok(blocks) => blocks,
        Err(problem) => {
            problems.push(format!("{file}:{problem}"));
            return problems;
        }
    };
    for block in blocks {
        let line = block.line;
        let problem = match &block.kind {
            Kind::File { from, .. } => match fs::read_to_string(example(from)) {
                Ok(there) if there == block.text => continue,
                Ok(_) => format!(
                    "it is not examples/book/{from}; `cargo xtask book --write` takes it from there"
                ),
                Err(error) => format!("examples/book/{from}: {error}"),
            },
            Kind::Console(console) if console.elsewhere => {
                let known = |line: &str| {
                    let name = line.strip_prefix("$ cargo xtask ")?.split(' ').next()?;
                    crate::USAGE.contains(&format!("\n  {name} ")).then_some(())
                };
                match block.text.lines().find(|line| known(line).is_none()) {
                    Some(line) => format!("`{line}` is not a command of `cargo xtask`"),
                    None => continue,
                }
            }
            Kind::Console(_) => continue,
        };
        problems.push(format!("{file}:{line}: {problem}"));
    }
    problems
}

/// The parts that a chapter with a number lacks.
fn missing_parts(chapter: &Chapter) -> Vec<String> {
    let parts = [
        "**Goals.**",
        "](images/",
        "## When it fails",
        "## Exercises",
        "<summary>",
    ];
    let missing = parts
        .iter()
        .filter(|part| chapter.is_typed() && !chapter.text.contains(**part));
    missing
        .map(|part| format!("{}: it has no `{part}`", chapter.file))
        .collect()
}

/// Puts the files of `examples/book` into the blocks that are them.
fn write() -> Result {
    for chapter in chapters()?.into_iter().chain([readme()?]) {
        let mut text = String::new();
        let mut lines = chapter.text.split_inclusive('\n');
        while let Some(line) = lines.next() {
            text.push_str(line);
            let from = line.trim_end().split_once(",from=").map(|(_, from)| from);
            let (true, Some(from)) = (line.starts_with("```"), from) else {
                continue;
            };
            text.push_str(&read(&example(from))?);
            let end = lines.find(|line| line.trim_end() == "```");
            text.push_str(end.ok_or("a block has no end")?);
        }
        if text != chapter.text {
            fs::write(chapter.directory().join(&chapter.file), text)?;
            println!("{}", chapter.file);
        }
    }
    Ok(())
}

/// Goes through the book as a reader does, in namespaces of its own; gives what to say of it.
///
/// Of the chapters with these files alone, if there are any.
pub fn replay(files: &[&str], guests: Guests) -> Result<String> {
    if let Err(reason) = hachi_test::bpf_available() {
        return Ok(format!("the book is not replayed: {reason}"));
    }
    if let Some((_, reason)) = install::ensure(&[PING]).pop() {
        return Ok(format!("the book is not replayed: {reason}"));
    }
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    // What a project of `hachi new` depends on.
    capture(cargo(&root().join("examples/first-xdp")).arg("fetch"))?;
    let mut options = Vec::new();
    if guests == Guests::Booted {
        // There is no other machine in the namespace that follows.
        capture(Command::new(target_dir().join("debug/hachi")).args(["kernels", "fetch", GUEST]))?;
        options.push(ALL);
    }
    reference::write(&target_dir().join("debug/hachi"))?;
    let setup = "ip link set lo up && mount -t bpf bpf /sys/fs/bpf \
                 && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$0\" book --replay \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--net", "--mount", "sh", "-c", setup])
        .arg(own_program())
        .args(options)
        .args(files);
    capture(&mut unshare).map(|said| said.trim_end().to_owned())
}

/// Goes through the chapters in this process's namespaces.
fn replay_here(files: &[&str], guests: Guests) -> Result<String> {
    // What `cargo install` would have put there.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(target_dir().join("debug")).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(places)?;
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("PATH", path) };
    let is_wanted = |file: &str| files.is_empty() || files.contains(&file);
    if is_wanted(README) {
        let mut reader = Reader::new(guests)?;
        let readme = readme()?;
        for block in blocks(&readme.text)? {
            let at = |error| format!("{README}:{}: {error}", block.line);
            reader.follow(&block).map_err(at)?;
        }
        reader.finish()?;
    }
    let mut reader = Reader::new(guests)?;
    let mut first_drop = None;
    for chapter in chapters()?.into_iter().filter(Chapter::is_typed) {
        if !is_wanted(&chapter.file) {
            continue;
        }
        let at = |line: usize, error| format!("book/src/{}:{line}: {error}", chapter.file);
        let mark = chapter.text.split_once(FIRST_DROP_MARK);
        let mark = mark.map_or(usize::MAX, |(before, _)| before.lines().count());
        for block in blocks(&chapter.text)? {
            if block.line > mark && first_drop.is_none() {
                first_drop = Some(reader.time);
            }
            reader
                .follow(&block)
                .map_err(|error| at(block.line, error))?;
        }
        reader
            .finish()
            .map_err(|error| at(chapter.text.lines().count(), error))?;
    }
    let left_out = match reader.left_out {
        0 => String::new(),
        count => format!("; {count} blocks boot a guest, and run with `--check {ALL}` only"),
    };
    Ok(format!(
        "{} commands of the book did what it says, in {:.0} s; {:.0} s to the first packet \
         dropped{left_out}",
        reader.commands,
        reader.time.as_secs_f64(),
        first_drop.unwrap_or_default().as_secs_f64()
    ))
}

/// Where tools are installed.
pub fn cache() -> Result<PathBuf> {
    match (std::env::var_os("HACHI_CACHE"), std::env::var_os("HOME")) {
        (Some(cache), _) => Ok(PathBuf::from(cache)),
        (None, Some(home)) => Ok(Path::new(&home).join(".cache/hachi")),
        (None, None) => Err("neither HACHI_CACHE nor HOME says where to install".into()),
    }
}

/// The mdBook in the cache, installed there once.
fn mdbook() -> Result<PathBuf> {
    let place = cache()?.join(format!("tools/mdbook-{MDBOOK}"));
    let program = place.join("bin/mdbook");
    if !program.is_file() {
        println!("installing mdBook {MDBOOK}, once; it takes a minute");
        let mut install = cargo(root());
        install.args(["install", "--quiet", "--locked", "mdbook"]);
        install.args(["--version", MDBOOK, "--no-default-features"]);
        install.args(["--features", "search", "--root"]).arg(&place);
        // It builds the book in a second all the same, and is there in half the time.
        install.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
        run_command(&mut install)?;
    }
    Ok(program)
}

/// Whether the documentation of the API is part of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    /// It is. That takes minutes.
    Built,
    /// It is not.
    LeftOut,
}

/// Builds the site: the book with the programs that run in it, below `api` what rustdoc makes, and
/// `measurements.html`, the page of `bench --page`, if there is one. Gives its directory.
fn build_site(api: Api) -> Result<PathBuf> {
    check()?;
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    let hachi = target_dir().join("debug/hachi");
    reference::write(&hachi)?;
    let site = target_dir().join("site");
    let mut build = Command::new(mdbook()?);
    build.arg("build").arg(root().join("book"));
    capture(build.arg("--dest-dir").arg(&site))?;
    println!("{}", page::fill(&site, &hachi)?);
    if api == Api::Built {
        let mut doc = cargo(root());
        doc.args(["doc", "--quiet", "--all-features"]);
        run_command(doc.args(["--workspace", "--no-deps"]))?;
        let mut copy = Command::new("cp");
        copy.arg("-rT").arg(target_dir().join("doc"));
        run_command(copy.arg(site.join("api")))?;
    }
    // Where something was measured.
    if let Some(page) = bench::page() {
        fs::copy(page, site.join("measurements.html"))?;
    }
    Ok(site)
}

/// Builds the site, and serves it on this machine until Ctrl-C.
fn serve() -> Result {
    let site = build_site(Api::Built)?;
    let mut server = Command::new("python3");
    server.args([
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "8000",
        "--directory",
    ]);
    println!("http://127.0.0.1:8000/");
    run_command(server.arg(site))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_into_the_book() {
        let text = "[One](one.md) [Web](https://x.y/z) [None]() [Part](two.md#part) [Here](#x)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["one.md", "two.md"]);
    }

    #[test]
    fn chapters_with_a_number_have_all_their_parts() {
        let chapter = |file: &str, text: &str| Chapter {
            file: file.to_owned(),
            text: text.to_owned(),
        };
        assert!(missing_parts(&chapter("introduction.md", "")).is_empty());
        assert_eq!(missing_parts(&chapter("00-install.md", "")).len(), 5);
        let whole = "**Goals.** ![](images/x.svg)\n## When it fails\n## Exercises\n<summary>";
        assert!(missing_parts(&chapter("00-install.md", whole)).is_empty());
    }
}
