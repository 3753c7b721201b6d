//! The page of measurements: a table and a picture for each benchmark, from the files that they
//! left.

use crate::figures::Unit;
use crate::record;
use crate::tools::{Result, scratch};
use plotters::prelude::*;
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;

#[derive(Deserialize)]
struct Record {
    bench: String,
    date: String,
    machine: String,
    versions: Vec<String>,
    figures: Vec<Figure>,
}

#[derive(Deserialize)]
struct Figure {
    group: String,
    what: String,
    value: f64,
    unit: String,
    goal: Option<String>,
    met: bool,
}

impl Figure {
    fn shown(&self) -> String {
        match Unit::named(&self.unit) {
            Some(unit) => unit.shown(self.value),
            None => format!("{} {}", self.value, self.unit),
        }
    }
}

const STYLE: &str = "
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
td, th { padding: .1rem .8rem .1rem 0; text-align: left; border-bottom: 1px solid #8886 }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
svg { max-width: 100%; height: auto; background: white }
";

/// Writes the page from what has been measured, and prints where it is.
pub fn run() -> Result {
    let mut records = Vec::new();
    for entry in fs::read_dir(record::directory()?)? {
        let path = entry?.path();
        let record: Record = serde_json::from_str(&fs::read_to_string(&path)?)
            .map_err(|error| format!("{}: {error}; measure it again", path.display()))?;
        records.push(record);
    }
    if records.is_empty() {
        return Err("nothing has been measured yet: run `cargo xtask bench` first".into());
    }
    records.sort_by(|a, b| a.bench.cmp(&b.bench));
    let file = scratch("page")?.join("index.html");
    fs::write(&file, page(&records)?)?;
    println!("{}", file.display());
    Ok(())
}

fn page(records: &[Record]) -> Result<String> {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Hachi: measurements</title><style>{STYLE}</style></head>\n<body><main>\
         <h1>Measurements</h1>\n<p>Figures are medians; a ratio is Hachi's figure by the other's, \
         so below 1 Hachi takes less. <code>cargo xtask bench NAME</code> measures one again.</p>\n"
    );
    for record in records {
        let Record {
            bench,
            date,
            machine,
            versions,
            ..
        } = record;
        write!(
            html,
            "<section><h2 id=\"{0}\">{0}</h2>\n<p>{1}, on {2}. {3}.</p>\n",
            escaped(bench),
            escaped(date),
            escaped(machine),
            escaped(&versions.join(", "))
        )?;
        html += &table(record)?;
        html += &plot(record)?;
        html += "</section>\n";
    }
    html += "</main></body></html>\n";
    Ok(html)
}

fn table(record: &Record) -> Result<String> {
    let mut html = format!(
        "<table><caption>cargo xtask bench {}</caption><thead><tr><th scope=\"col\">What</th>\
         <th scope=\"col\">Figure</th><th scope=\"col\">Goal</th></tr></thead><tbody>\n",
        escaped(&record.bench)
    );
    let mut group = "";
    for figure in &record.figures {
        if figure.group != group {
            group = &figure.group;
            writeln!(
                html,
                "<tr><th scope=\"rowgroup\" colspan=\"3\">{}</th></tr>",
                escaped(group)
            )?;
        }
        let goal = match (&figure.goal, figure.met) {
            (None, _) => String::new(),
            (Some(goal), true) => format!("{goal}: met"),
            (Some(goal), false) => format!("{goal}: missed"),
        };
        writeln!(
            html,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            escaped(&figure.what),
            escaped(&figure.shown()),
            escaped(&goal)
        )?;
    }
    html += "</tbody></table>\n";
    Ok(html)
}

/// The ratios as bars from 1, both ways, on a logarithmic scale; without ratios, nothing.
fn plot(record: &Record) -> Result<String> {
    let ratios: Vec<&Figure> = record
        .figures
        .iter()
        .filter(|figure| figure.unit == Unit::Ratio.name() && figure.value > 0.0)
        .collect();
    if ratios.is_empty() {
        return Ok(String::new());
    }
    let least = ratios.iter().map(|f| f.value).fold(0.5, f64::min);
    let most = ratios.iter().map(|f| f.value).fold(2.0, f64::max);
    let mut svg = String::new();
    {
        let size = (760, 60 + 24 * ratios.len() as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let rows = ratios.len() as f64;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(30)
            .build_cartesian_2d((0.8 * least..1.2 * most).log_scale(), rows..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc("Hachi by the other, logarithmic")
            .draw()?;
        for (row, figure) in ratios.iter().enumerate() {
            let (top, bottom) = (row as f64 + 0.15, row as f64 + 0.85);
            let color = if figure.value <= 1.0 { BLUE } else { RED };
            let bar = [
                (figure.value.min(1.0), top),
                (figure.value.max(1.0), bottom),
            ];
            chart.draw_series([Rectangle::new(bar, color.mix(0.4).filled())])?;
            let label = match figure.group.as_str() {
                "" => figure.what.clone(),
                group => format!("{group}: {}", figure.what),
            };
            let label = format!("{label}  {}", figure.shown());
            let place = (0.82 * least, row as f64 + 0.25);
            chart.draw_series([Text::new(label, place, ("sans-serif", 13))])?;
        }
        area.present()?;
    }
    // What it shows is in the table above.
    let picture = format!(
        "<svg role=\"img\" aria-label=\"The ratios of {}, as bars\"",
        escaped(&record.bench)
    );
    Ok(svg.replacen("<svg", &picture, 1) + "\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let figure = |what: &str, value, unit: &str, goal: Option<&str>, met| Figure {
            group: "a <program>".to_owned(),
            what: what.to_owned(),
            value,
            unit: unit.to_owned(),
            goal: goal.map(str::to_owned),
            met,
        };
        Record {
            bench: "load".to_owned(),
            date: "2000-01-02".to_owned(),
            machine: "2 × a processor, Linux 6.1".to_owned(),
            versions: vec!["rustc 1.95".to_owned()],
            figures: vec![
                figure("Hachi: a load", 0.00125, "s", Some("≤ 1.00 ms"), false),
                figure("Hachi / libbpf", 0.25, "ratio", Some("≤ 0.33×"), true),
            ],
        }
    }

    #[test]
    fn a_table_has_every_figure_with_its_goal() {
        let table = table(&record()).unwrap();
        for expected in [
            "a &lt;program&gt;",
            "<td>Hachi: a load</td><td class=\"number\">1.25 ms</td><td>≤ 1.00 ms: missed</td>",
            "<td>Hachi / libbpf</td><td class=\"number\">0.25×</td><td>≤ 0.33×: met</td>",
        ] {
            assert!(table.contains(expected), "{table}");
        }
    }

    #[test]
    fn a_picture_has_a_bar_for_each_ratio() {
        let mut record = record();
        let picture = plot(&record).unwrap();
        assert!(picture.starts_with("<svg role=\"img\" aria-label=\"The ratios of load"));
        assert!(picture.contains("Hachi / libbpf  0.25×"), "{picture}");
        assert!(!picture.contains("a load"), "{picture}");
        record.figures.pop();
        assert_eq!(plot(&record).unwrap(), "");
    }

    #[test]
    fn a_page_says_when_and_where() {
        let page = page(&[record()]).unwrap();
        let said = "<p>2000-01-02, on 2 × a processor, Linux 6.1. rustc 1.95.</p>";
        assert!(page.contains(said), "{page}");
    }
}
