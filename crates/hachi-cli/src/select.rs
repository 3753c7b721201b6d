//! Which program, map or link is meant: an id, a name, a tag, or the path of a pin.

use std::path::Path;

use hachi::links::{LinkInfo, loaded_links};
use hachi::maps::{MapData, MapInfo, loaded_maps};
use hachi::programs::ProgramInfo;

use crate::failure::{Failure, Result};
use crate::kernel::{kernel_name, program_name, programs};
use crate::near::did_you_mean;

/// How a thing is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    Id(u32),
    Name(&'a str),
    Tag([u8; 8]),
    Pin(&'a Path),
}

impl<'a> Wanted<'a> {
    /// A path if there is a slash in it, an id if it is a number, a tag if it is 16 digits in
    /// hexadecimal, else a name. `id:`, `name:`, `tag:` and `pin:` say which.
    fn parse(text: &'a str) -> Result<Wanted<'a>> {
        let refused = |what: &str| Failure::usage(format!("`{text}` is no {what}"));
        if let Some(id) = text.strip_prefix("id:") {
            return id.parse().map(Wanted::Id).map_err(|_| refused("id"));
        }
        if let Some(tag) = text.strip_prefix("tag:") {
            return parse_tag(tag)
                .map(Wanted::Tag)
                .ok_or_else(|| refused("tag: those are 16 digits in hexadecimal"));
        }
        if let Some(name) = text.strip_prefix("name:") {
            return Ok(Wanted::Name(name));
        }
        if let Some(path) = text.strip_prefix("pin:") {
            return Ok(Wanted::Pin(Path::new(path)));
        }
        if text.contains('/') {
            return Ok(Wanted::Pin(Path::new(text)));
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match (text.parse(), parse_tag(text)) {
            (Ok(id), _) if is_number => Ok(Wanted::Id(id)),
            (_, Some(tag)) => Ok(Wanted::Tag(tag)),
            _ => Ok(Wanted::Name(text)),
        }
    }
}

fn parse_tag(text: &str) -> Option<[u8; 8]> {
    let number = u64::from_str_radix(text, 16).ok();
    let is_tag = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    number.filter(|_| is_tag).map(u64::to_be_bytes)
}

/// What a kind of thing is called, and what lists those there are.
struct Noun {
    one: &'static str,
    list: &'static str,
}

const PROGRAM: Noun = Noun {
    one: "program",
    list: "hachi prog list",
};
const MAP: Noun = Noun {
    one: "map",
    list: "hachi map list",
};
const LINK: Noun = Noun {
    one: "link",
    list: "hachi link list",
};

impl Noun {
    fn opening(&self, id: u32, error: &(dyn std::error::Error + 'static)) -> Failure {
        Failure::because(format_args!("opening {} {id}", self.one), error)
            .help(format_args!("`{}` prints the ids there are", self.list))
    }

    /// The only one of `all` with that name; ids and names in the message otherwise.
    fn by_name(&self, wanted: &str, all: &[(u32, String)]) -> Result<u32> {
        let short = kernel_name(wanted);
        let found: Vec<u32> = all
            .iter()
            .filter(|(_, name)| name == short || name == wanted)
            .map(|(id, _)| *id)
            .collect();
        match found.as_slice() {
            [] => {
                let names = all.iter().map(|(_, name)| name.as_str());
                let help = did_you_mean(wanted, names)
                    .unwrap_or_else(|| format!("`{}` prints those there are", self.list));
                Err(
                    Failure::new(format_args!("no {} named {wanted} is loaded", self.one))
                        .help(help),
                )
            }
            [one] => Ok(*one),
            several => Err(self.ambiguous(format_args!("named {wanted}"), several)),
        }
    }

    fn ambiguous(&self, what: impl std::fmt::Display, ids: &[u32]) -> Failure {
        let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
        Failure::usage(format_args!("several {}s are {what}", self.one))
            .help(format_args!("give an id: {}", ids.join(", ")))
    }

    fn has_no_tag(&self) -> Failure {
        Failure::usage(format_args!("{}s have no tag", self.one))
            .help("give an id, a name or the path of a pin")
    }
}

/// The program that is meant.
pub fn program(wanted: &str) -> Result<ProgramInfo> {
    let by_id = |id| ProgramInfo::from_id(id).map_err(|error| PROGRAM.opening(id, &error));
    match Wanted::parse(wanted)? {
        Wanted::Pin(path) => {
            ProgramInfo::from_pin(path).map_err(|error| Failure::because("", &error))
        }
        Wanted::Id(id) => by_id(id),
        Wanted::Tag(tag) => {
            let mut found = programs()?;
            found.retain(|program| program.tag() == tag);
            match found.len() {
                0 => Err(
                    Failure::new(format_args!("no program has the tag {wanted}"))
                        .help("`hachi prog list --json` prints the tags there are"),
                ),
                1 => Ok(found.remove(0)),
                _ => {
                    let ids: Vec<u32> = found.iter().map(ProgramInfo::id).collect();
                    Err(PROGRAM.ambiguous(format_args!("of tag {wanted}"), &ids))
                }
            }
        }
        Wanted::Name(name) => {
            let all: Vec<(u32, String)> = programs()?
                .iter()
                .map(|program| (program.id(), program.name()))
                .collect();
            by_id(PROGRAM.by_name(name, &all)?)
        }
    }
}

/// All maps.
pub fn maps() -> Result<Vec<MapInfo>> {
    loaded_maps()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::because("listing maps", &error))
}

/// What is going to be done with a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only looked at: a pin that may not be written will do.
    Read,
    Write,
}

/// The map that is meant.
pub fn map(wanted: &str, access: Access) -> Result<MapData> {
    let by_id = |id| {
        let opened = match access {
            Access::Read => MapData::from_id_read_only(id),
            Access::Write => MapData::from_id(id),
        };
        opened.map_err(|error| MAP.opening(id, &error))
    };
    match Wanted::parse(wanted)? {
        Wanted::Pin(path) => {
            let opened = match access {
                Access::Read => MapData::from_pin_read_only(path),
                Access::Write => MapData::from_pin(path),
            };
            opened.map_err(|error| Failure::because("", &error))
        }
        Wanted::Id(id) => by_id(id),
        Wanted::Tag(_) => Err(MAP.has_no_tag()),
        Wanted::Name(name) => {
            let all: Vec<(u32, String)> =
                maps()?.iter().map(|map| (map.id(), map.name())).collect();
            by_id(MAP.by_name(name, &all)?)
        }
    }
}

/// The link that is meant: by name, the one of the program with that name.
pub fn link(wanted: &str) -> Result<LinkInfo> {
    let by_id = |id| LinkInfo::from_id(id).map_err(|error| LINK.opening(id, &error));
    match Wanted::parse(wanted)? {
        Wanted::Pin(path) => LinkInfo::from_pin(path).map_err(|error| Failure::because("", &error)),
        Wanted::Id(id) => by_id(id),
        Wanted::Tag(_) => Err(LINK.has_no_tag()),
        Wanted::Name(name) => {
            let all: Vec<(u32, String)> = loaded_links()
                .map(|link| link.map(|link| (link.id(), program_name(link.program_id()))))
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| Failure::because("listing links", &error))?;
            by_id(LINK.by_name(name, &all)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_recognised_by_its_form() {
        let tag = [0x3b, 0x18, 0x51, 0x87, 0xf1, 0x85, 0x5c, 0x4c];
        for (text, wanted) in [
            ("12", Wanted::Id(12)),
            ("id:12", Wanted::Id(12)),
            ("BLOCKLIST", Wanted::Name("BLOCKLIST")),
            ("name:12", Wanted::Name("12")),
            ("3b185187f1855c4c", Wanted::Tag(tag)),
            ("tag:3b185187f1855c4c", Wanted::Tag(tag)),
            ("name:3b185187f1855c4c", Wanted::Name("3b185187f1855c4c")),
            ("./pin", Wanted::Pin(Path::new("./pin"))),
            ("pin:pin", Wanted::Pin(Path::new("pin"))),
            ("-1", Wanted::Name("-1")),
            ("+1", Wanted::Name("+1")),
            ("", Wanted::Name("")),
        ] {
            assert_eq!(Wanted::parse(text).unwrap(), wanted, "{text}");
        }
        for text in ["id:x", "tag:12", "id:"] {
            assert!(Wanted::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ambiguous_names_are_refused_with_the_candidates() {
        let all: Vec<(u32, String)> = [(1, "COUNTERS"), (2, "EVENTS"), (3, "EVENTS")]
            .map(|(id, name)| (id, name.to_owned()))
            .to_vec();
        assert_eq!(MAP.by_name("COUNTERS", &all).unwrap(), 1);
        let several = MAP.by_name("EVENTS", &all).unwrap_err();
        assert_eq!(several.help.as_deref(), Some("give an id: 2, 3"));
        let near = MAP.by_name("COUNTER", &all).unwrap_err();
        assert_eq!(near.help.as_deref(), Some("did you mean COUNTERS?"));
        let far = MAP.by_name("zzz", &all).unwrap_err();
        assert!(far.help.unwrap().contains("hachi map list"));
    }
}
