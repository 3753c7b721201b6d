//! Programs that run in the page: a line `<!-- run: NAME -->` of a chapter becomes a form with
//! which the reader runs the program of `book/page/NAME.json`.
//!
//! The form's program is the object that the chapter's source is built to, run by the virtual
//! machine as WebAssembly (`book/page/run.js`). What the examples of the form give is recorded when
//! the book is built, and is all that is seen without JavaScript, or when the page is a file.

use super::{example, read};
use crate::shell::{Result, capture, cargo, examples_target_dir, root, target_dir};
use crate::wasm;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tinyjson::JsonValue;

/// What a line begins with that stands for a form.
const MARK: &str = "<!-- run: ";
/// What it ends with.
const MARK_END: &str = " -->";

/// Where in the site all that is for forms goes.
const PLACE: &str = "run";

/// Where the forms are described.
fn directory() -> PathBuf {
    root().join("book/page")
}

/// The forms of a chapter, by their names.
pub fn names(markdown: &str) -> impl Iterator<Item = &str> {
    markdown
        .lines()
        .filter_map(|line| line.strip_prefix(MARK)?.strip_suffix(MARK_END))
}

/// What is wrong with the forms of a chapter.
pub fn problems(file: &str, markdown: &str) -> Vec<String> {
    let all = names(markdown).map(|name| (name, Form::read(name)));
    all.filter_map(|(name, form)| match form {
        Ok(form) if !form.source_file().is_file() => Some(format!(
            "{file}: book/page/{name}.json: there is no examples/book/{}",
            form.source
        )),
        Ok(_) => None,
        Err(error) => Some(format!("{file}: {error}")),
    })
    .collect()
}

/// A form, as it is described.
struct Form {
    name: String,
    /// The file of `examples/book` that its program is built from.
    source: String,
    /// What the file is part of, unless it stands alone.
    project: Option<Project>,
    program: String,
    /// What is above the form, unless that is the program's name.
    title: Option<String>,
    /// What the kernel must give, too: `verdict`, `all` or `none`.
    compared: String,
    /// Whether it needs the kernel's types.
    types: bool,
    /// Lines of every scene.
    scene: String,
    fields: Vec<Field>,
    switches: Vec<Switch>,
    presets: Vec<Preset>,
    document: JsonValue,
}

/// A project of `hachi new`.
struct Project {
    /// The arguments.
    new: Vec<String>,
    /// The files that the reader has typed by then, and those of `examples/book` that they are.
    files: Vec<(String, String)>,
    /// The directory of its eBPF side.
    package: String,
}

/// A named field of a context, or what else is set.
struct Field {
    id: String,
    kind: String,
    /// Lines of the scene, with the value for `{}`.
    scene: String,
    value: String,
}

/// What the reader sets or not.
struct Switch {
    on: String,
    off: String,
}

/// An example.
struct Preset {
    name: String,
    packet: Option<String>,
    times: Option<u32>,
    on: Vec<usize>,
    values: BTreeMap<String, String>,
}

/// A part of a description.
fn part<'j, T: tinyjson::InnerAsRef>(value: &'j JsonValue, name: &str) -> Option<&'j T> {
    let object: &std::collections::HashMap<String, JsonValue> = value.get()?;
    object.get(name)?.get()
}

fn text(value: &JsonValue, name: &str) -> Option<String> {
    part::<String>(value, name).cloned()
}

fn parts<'j>(value: &'j JsonValue, name: &str) -> &'j [JsonValue] {
    part::<Vec<JsonValue>>(value, name).map_or(&[], Vec::as_slice)
}

/// Text, or a list of lines.
fn lines(value: &JsonValue, name: &str) -> String {
    let listed = parts(value, name)
        .iter()
        .filter_map(JsonValue::get::<String>);
    let mut lines: String = listed.flat_map(|line| [line, "\n"]).collect();
    if let Some(line) = part::<String>(value, name) {
        lines = format!("{line}\n");
    }
    lines
}

impl Form {
    fn read(name: &str) -> Result<Form> {
        let path = directory().join(format!("{name}.json"));
        let document: JsonValue = read(&path)?
            .parse()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let form = Form::parse(name, document);
        Ok(form.ok_or_else(|| format!("{}: a part is missing", path.display()))?)
    }

    fn parse(name: &str, document: JsonValue) -> Option<Form> {
        let project = part::<std::collections::HashMap<String, JsonValue>>(&document, "project");
        let project = match project {
            Some(_) => {
                let value = &document["project"];
                let words = parts(value, "new").iter();
                let files: &std::collections::HashMap<String, JsonValue> = part(value, "files")?;
                let mut files: Vec<(String, String)> = files
                    .iter()
                    .filter_map(|(to, from)| Some((to.clone(), from.get::<String>()?.clone())))
                    .collect();
                files.sort();
                Some(Project {
                    new: words.filter_map(JsonValue::get).cloned().collect(),
                    files,
                    package: text(value, "package")?,
                })
            }
            None => None,
        };
        let field = |value: &JsonValue| {
            Some(Field {
                id: text(value, "id")?,
                kind: text(value, "kind")?,
                scene: lines(value, "scene"),
                value: text(value, "value")?,
            })
        };
        let switch = |value: &JsonValue| {
            Some(Switch {
                on: text(value, "on")?,
                off: text(value, "off")?,
            })
        };
        let preset = |value: &JsonValue| {
            let on = parts(value, "on").iter().filter_map(JsonValue::get::<f64>);
            let values =
                part::<std::collections::HashMap<String, JsonValue>>(value, "values").into_iter();
            Some(Preset {
                name: text(value, "name")?,
                packet: text(value, "packet"),
                times: part::<f64>(value, "times").map(|times| *times as u32),
                on: on.map(|number| *number as usize).collect(),
                values: values
                    .flatten()
                    .filter_map(|(id, of)| Some((id.clone(), of.get::<String>()?.clone())))
                    .collect(),
            })
        };
        Some(Form {
            name: name.to_owned(),
            source: text(&document, "source")?,
            project,
            program: text(&document, "program")?,
            title: text(&document, "title"),
            compared: text(&document, "compared")?,
            types: part::<bool>(&document, "types") == Some(&true),
            scene: lines(&document, "scene"),
            fields: parts(&document, "fields")
                .iter()
                .map(field)
                .collect::<Option<_>>()?,
            switches: parts(&document, "switches")
                .iter()
                .map(switch)
                .collect::<Option<_>>()?,
            presets: parts(&document, "presets")
                .iter()
                .map(preset)
                .collect::<Option<_>>()?,
            document,
        })
    }

    fn source_file(&self) -> PathBuf {
        example(&self.source)
    }

    /// What the object is called in the site. Forms of one source share it.
    fn object_name(&self) -> String {
        let stem = self.source.trim_end_matches(".rs");
        format!("{}.o", stem.replace('/', "-"))
    }

    /// Builds the object, once for all forms that have it.
    fn object(&self, hachi: &Path, place: &Path) -> Result<PathBuf> {
        let object = place.join(self.object_name());
        if object.is_file() {
            return Ok(object);
        }
        let directory = hachi_test::TempDir::new()?;
        let source = match &self.project {
            None => {
                let name = Path::new(&self.source).file_name().unwrap_or_default();
                let copy = directory.join(name);
                fs::copy(self.source_file(), &copy)?;
                copy
            }
            Some(project) => {
                let mut new = Command::new(hachi);
                new.arg("new").args(&project.new).env("HACHI_YES", "1");
                capture(new.current_dir(directory.path()))?;
                for (to, from) in &project.files {
                    fs::copy(example(from), directory.join(to))
                        .map_err(|error| format!("{}.json: {from}: {error}", self.name))?;
                }
                directory.join(&project.package)
            }
        };
        let mut build = Command::new(hachi);
        build
            .arg("build")
            .arg(source)
            .current_dir(directory.path())
            .env("HACHI_YES", "1")
            .env("CARGO_TARGET_DIR", examples_target_dir());
        let said = capture(&mut build)?;
        let built = said.lines().next().ok_or("`hachi build` says no object")?;
        fs::copy(directory.join(built), &object)?;
        Ok(object)
    }

    /// What the program runs in when an example is chosen, as `run.js` makes it, too.
    fn scene_of(&self, preset: &Preset, packets: &JsonValue) -> Result<String> {
        let mut scene = match self.types {
            true => format!("types {}\n", kernel()?),
            false => String::new(),
        };
        scene += &self.scene;
        for (number, switch) in self.switches.iter().enumerate() {
            let is_on = preset.on.contains(&number);
            let line = if is_on { &switch.on } else { &switch.off };
            let _ = writeln!(scene, "{line}");
        }
        for field in &self.fields {
            let value = preset.values.get(&field.id).unwrap_or(&field.value);
            let value = shaped(&field.kind, value)
                .ok_or_else(|| format!("{}.json: {}: `{value}`", self.name, field.id))?;
            scene += &field.scene.replace("{}", &value);
        }
        if let Some(name) = &preset.packet {
            let packet = text(packets, name)
                .ok_or_else(|| format!("packets.json: there is no packet `{name}`"))?;
            let _ = writeln!(scene, "packet {packet}");
        }
        if let Some(times) = preset.times {
            let _ = writeln!(scene, "times {times}");
        }
        Ok(scene)
    }

    /// What each example gives.
    fn record(&self, object: &Path, packets: &JsonValue) -> Result<JsonValue> {
        let scenes: Result<Vec<String>> = self
            .presets
            .iter()
            .map(|preset| self.scene_of(preset, packets))
            .collect();
        let mut record = Command::new(target_dir().join("debug/page"))
            .arg(object)
            .args([&self.program, &self.compared])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = record.stdin.take().ok_or("it has a standard input")?;
        stdin.write_all(scenes?.join("----\n").as_bytes())?;
        drop(stdin);
        let output = record.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("book/page/{}.json: {said}", self.name).into());
        }
        Ok(String::from_utf8(output.stdout)?.parse()?)
    }
}

/// The types of a kernel, as digits.
fn kernel() -> Result<String> {
    Ok(read(&directory().join("kernel.hex"))?.trim().to_owned())
}

/// A value of a field, as the scene has it.
fn shaped(kind: &str, value: &str) -> Option<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match kind {
        "number" => value.parse::<i64>().ok().map(|number| number.to_string()),
        "word" => Some(value.to_owned()),
        "text" => Some(hex(&[value.as_bytes(), &[0]].concat())),
        "ipv4" => {
            let address: std::net::Ipv4Addr = value.parse().ok()?;
            Some(hex(&address.octets()))
        }
        "port" => Some(hex(&value.parse::<u16>().ok()?.to_be_bytes())),
        _ => None,
    }
}

/// Puts the forms into a site that mdBook has made. Gives what to say of them.
pub fn fill(site: &Path, hachi: &Path) -> Result<String> {
    let place = site.join(PLACE);
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir(&place)?;
    for file in ["run.js", "packet.js", "run.css"] {
        fs::copy(directory().join(file), place.join(file))?;
    }
    let machine = root().join("crates/hachi-vm/examples/wasm/machine.js");
    fs::copy(machine, place.join("machine.js"))?;
    fs::copy(wasm::build()?.path, place.join("hachi.wasm"))?;
    let mut build = cargo(root());
    build.args([
        "build",
        "--quiet",
        "--package",
        "hachi-tests",
        "--bin",
        "page",
    ]);
    capture(&mut build)?;
    let packets: JsonValue = read(&directory().join("packets.json"))?.parse()?;
    let (mut forms, mut runs, mut compared) = (BTreeMap::new(), 0, 0);
    for chapter in super::chapters()? {
        for name in names(&chapter.text) {
            let form = Form::read(name)?;
            let object = form.object(hachi, &place)?;
            let records = form.record(&object, &packets)?;
            let listed: &Vec<JsonValue> = records.get().ok_or("a record is no list")?;
            runs += listed.len();
            let is_compared = |of: &&JsonValue| part::<bool>(of, "kernel") == Some(&true);
            compared += listed.iter().filter(is_compared).count();
            forms.insert(name.to_owned(), html(&form, listed, &packets)?);
        }
    }
    for entry in fs::read_dir(site)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            put_in(&path, &forms)?;
        }
    }
    Ok(format!(
        "{} programs run in the page; the kernel gave the same in {compared} of {runs} runs",
        forms.len()
    ))
}

/// Replaces the lines of a page that stand for forms.
fn put_in(path: &Path, forms: &BTreeMap<String, String>) -> Result {
    let page = read(path)?;
    if !page.contains(MARK) {
        return Ok(());
    }
    let mut to = String::new();
    for line in page.split_inclusive('\n') {
        match names(line).next() {
            Some(name) => to += forms.get(name).map_or(line, String::as_str),
            None => to += line,
        }
    }
    Ok(fs::write(path, to)?)
}

/// A form with its recorded output.
fn html(form: &Form, records: &[JsonValue], packets: &JsonValue) -> Result<String> {
    let name = &form.name;
    let source = read(&form.source_file())?;
    let title = match &form.title {
        Some(title) => escaped(title),
        None => format!("Run <code>{}</code> here", escaped(&form.program)),
    };
    let mut object = std::collections::HashMap::new();
    let mut put = |key: &str, value: JsonValue| object.insert(key.to_owned(), value);
    put("form", form.document.clone());
    put("records", JsonValue::from(records.to_vec()));
    put("packets", packets.clone());
    put("object", JsonValue::from(form.object_name()));
    put("source", JsonValue::from(source));
    if form.types {
        put("kernel", JsonValue::from(kernel()?));
    }
    // What ends a script is not in it.
    let data = JsonValue::from(object).stringify()?.replace("</", "<\\/");
    let mut to = format!(
        "<section class=\"hachi-run\" id=\"run-{name}\" aria-labelledby=\"run-{name}-title\">\n\
         <link rel=\"stylesheet\" href=\"{PLACE}/run.css\">\n\
         <h3 class=\"run-title\" id=\"run-{name}-title\">{title}</h3>\n\
         <div class=\"run-recorded\">\n"
    );
    for (preset, record) in form.presets.iter().zip(records) {
        let _ = write!(
            to,
            "<p>{}:</p>\n<pre class=\"run-output\" tabindex=\"0\">{}</pre>\n",
            escaped(&preset.name),
            escaped(&printed(record))
        );
    }
    let _ = write!(
        to,
        "</div>\n<script type=\"application/json\" class=\"run-data\">{data}</script>\n\
         <script>if (location.protocol !== 'file:') \
         import(new URL('{PLACE}/run.js', document.baseURI)).then((module) => \
         module.begin('run-{name}'));</script>\n</section>\n"
    );
    Ok(to)
}

/// A run, as printed.
fn printed(record: &JsonValue) -> String {
    let mut to = String::new();
    let run = &record["run"];
    match text(run, "meaning") {
        Some(meaning) => {
            let _ = writeln!(to, "verdict  {meaning}");
        }
        None => to += &text(&run["fault"], "text").unwrap_or_default(),
    }
    for message in parts(run, "log") {
        let level = text(message, "level").unwrap_or_default().to_uppercase();
        let said = text(message, "text").unwrap_or_default();
        let _ = writeln!(to, "log      {level:<5} {said}");
    }
    for line in parts(run, "printed") {
        let line = line.get::<String>().map_or("", String::as_str);
        let _ = writeln!(to, "trace    {line}");
    }
    for line in text(run, "sequence").unwrap_or_default().lines() {
        let _ = writeln!(to, "file     {line}");
    }
    for map in parts(record, "maps") {
        let name = text(map, "name").unwrap_or_default();
        for entry in parts(map, "entries") {
            let key = text(entry, "key").unwrap_or_default();
            let values = parts(entry, "values").iter();
            let values: Vec<String> = values.filter_map(|of| text(of, "value")).collect();
            let _ = writeln!(to, "map      {name}: {key} = {}", values.join(", "));
        }
        for bytes in parts(map, "records")
            .iter()
            .filter_map(JsonValue::get::<String>)
        {
            let _ = writeln!(to, "record   {name}: {bytes}");
        }
    }
    to
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_lines_that_stand_for_forms() {
        let text = "# One\n<!-- run: hello -->\ntext <!-- run: no -->\n<!-- first drop -->\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["hello"]);
    }

    #[test]
    fn a_scene_has_the_values_of_its_example() {
        let document = r#"{
            "source": "a.rs", "program": "p", "compared": "none", "scene": ["time 7"],
            "fields": [{"id": "to", "kind": "ipv4", "value": "127.0.0.1",
                        "scene": "bytes user_ip4 {}"}],
            "switches": [{"label": "x", "on": "entry M 00 01", "off": "absent M 00"}],
            "presets": [{"name": "one"},
                        {"name": "two", "on": [0], "times": 3, "packet": "p",
                         "values": {"to": "192.0.2.7"}}]
        }"#;
        let form = Form::parse("n", document.parse().unwrap()).unwrap();
        let packets = r#"{"p": "0011"}"#.parse().unwrap();
        let scene = |number: usize| form.scene_of(&form.presets[number], &packets).unwrap();
        assert_eq!(scene(0), "time 7\nabsent M 00\nbytes user_ip4 7f000001\n");
        assert_eq!(
            scene(1),
            "time 7\nentry M 00 01\nbytes user_ip4 c0000207\npacket 0011\ntimes 3\n"
        );
    }

    #[test]
    fn values_have_the_shape_of_their_kind() {
        assert_eq!(shaped("port", "443").as_deref(), Some("01bb"));
        assert_eq!(shaped("text", "ab").as_deref(), Some("616200"));
        assert_eq!(shaped("ipv4", "1.2.3").as_deref(), None);
        assert_eq!(shaped("number", "-1").as_deref(), Some("-1"));
        assert_eq!(shaped("other", "1"), None);
    }

    #[test]
    fn a_form_replaces_its_line_alone() {
        let directory = hachi_test::TempDir::new().unwrap();
        let path = directory.join("a.html");
        fs::write(&path, "<p>\n<!-- run: a -->\n<!-- run: b -->\n").unwrap();
        let forms = BTreeMap::from([("a".to_owned(), "<form>\n".to_owned())]);
        put_in(&path, &forms).unwrap();
        let page = fs::read_to_string(&path).unwrap();
        assert_eq!(page, "<p>\n<form>\n<!-- run: b -->\n");
    }

    #[test]
    fn prints_what_is_recorded() {
        let record = r#"{"run": {"meaning": "XDP_DROP", "printed": [], "sequence": "",
            "log": [{"level": "info", "text": "<hello>"}]},
            "maps": [{"name": "M", "entries": [{"key": "1", "values": [{"value": "2"}]}]}]}"#;
        let record = record.parse().unwrap();
        let printed = printed(&record);
        assert_eq!(
            printed,
            "verdict  XDP_DROP\nlog      INFO  <hello>\nmap      M: 1 = 2\n"
        );
        assert_eq!(escaped("<hello> & co"), "&lt;hello&gt; &amp; co");
    }
}
