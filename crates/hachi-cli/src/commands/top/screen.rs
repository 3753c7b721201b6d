//! What `hachi top` draws.

use hachi::maps::{MapData, MapError, MapInfo, MapType};
use hachi::programs::ProgramInfo;
use hachi_diag::printable;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Sparkline, Table, TableState};

use super::state::{Order, Row, State};
use crate::commands::link::seen::Attachment;
use crate::failure::Failure;
use crate::kernel::Pids;
use crate::output::grouped;

/// What is known beside the counts; read less often, since it takes longer.
pub struct Around {
    /// Who holds programs; why that is unknown.
    pub pids: Result<Pids, Failure>,
    /// What is attached; why that is unknown.
    pub attached: Result<Vec<Attachment>, Failure>,
    pub colour: bool,
}

impl Around {
    /// Who holds a program.
    fn holders(&self, program: u32) -> String {
        match &self.pids {
            Ok(pids) => pids.text(program),
            Err(failure) => format!("? ({})", failure.message),
        }
    }

    /// What a program is attached to.
    fn places(&self, program: u32) -> String {
        let attached = match &self.attached {
            Ok(attached) => attached,
            Err(failure) => return format!("? ({})", failure.message),
        };
        let own = attached.iter().filter(|link| link.program_id == program);
        let shown: Vec<&str> = own.map(|link| &*link.shown).collect();
        match shown.is_empty() {
            true => "nothing".to_owned(),
            false => shown.join(", "),
        }
    }
}

pub fn draw(frame: &mut Frame<'_>, state: &State, around: &Around) {
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let shown = state.shown();
    let total: f64 = shown.iter().map(|row| row.percent).sum();
    let paused = if state.paused { "  PAUSED" } else { "" };
    let filter = match (state.typing, state.filter.is_empty()) {
        (true, _) => format!("  filter: {}_", state.filter),
        (false, false) => format!("  filter: {}", state.filter),
        (false, true) => String::new(),
    };
    let title = format!(
        "hachi top  {} programs  {total:.2} % of a CPU  by {}{filter}{paused}",
        shown.len(),
        state.order.name()
    );
    frame.render_widget(Line::from(title).style(Modifier::BOLD), head);
    match state.chosen().filter(|_| state.detail) {
        Some(row) => detail(frame, body, row, around),
        None => list(frame, body, state, &shown, around),
    }
    let keys = match (state.typing, state.detail) {
        (true, _) => "Enter: keep  Esc: clear",
        (_, true) => "Esc: back  p: pause  q: end",
        _ => "s: sort  /: filter  Enter: details  p: pause  q: end",
    };
    frame.render_widget(Line::from(keys).style(Modifier::DIM), foot);
}

/// A bar of at most `width` characters.
fn bar(share: f64, width: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    "█".repeat(full) + &" ".repeat(width - full)
}

/// The last values as a line of blocks.
fn sparks(row: &Row, width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = row
        .history
        .iter()
        .copied()
        .fold(f64::MIN_POSITIVE, f64::max);
    let skipped = row.history.len().saturating_sub(width);
    let last = row.history.iter().skip(skipped);
    last.map(|value| BLOCKS[((value / most) * 7.0).round() as usize % 8])
        .collect()
}

fn list(frame: &mut Frame<'_>, area: Rect, state: &State, shown: &[&Row], around: &Around) {
    let most = shown
        .iter()
        .map(|row| row.percent)
        .fold(f64::MIN_POSITIVE, f64::max);
    // On a narrow terminal the figures stay, and what decorates them goes.
    let wide = area.width >= 100;
    let rows = shown.iter().map(|row| {
        let mut cells = vec![
            Cell::from(row.id.to_string()),
            Cell::from(row.kind.clone()),
            Cell::from(printable(&row.name).into_owned()),
            Cell::from(grouped(row.runs.round() as u64)),
            Cell::from(grouped(row.nanos)),
            Cell::from(format!("{:.2}", row.percent)),
            Cell::from(bar(row.percent / most, 8)),
        ];
        if wide {
            cells.push(Cell::from(sparks(row, 12)));
            cells.push(Cell::from(printable(&around.holders(row.id)).into_owned()));
        }
        TableRow::new(cells)
    });
    let mut titles = vec!["ID", "TYPE", "NAME", "RUNS/S", "NS/RUN", "% CPU", ""];
    let mut widths = vec![
        Constraint::Length(8),
        Constraint::Length(14),
        Constraint::Fill(1),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Length(7),
        Constraint::Length(8),
    ];
    if wide {
        titles.extend(["LAST", "HELD BY"]);
        widths.extend([Constraint::Length(12), Constraint::Fill(1)]);
    }
    let marked = match state.order {
        Order::Percent => 5,
        Order::Runs => 3,
        Order::Nanos => 4,
        Order::Name => 2,
        Order::Id => 0,
    };
    let header = titles.into_iter().enumerate().map(|(at, title)| {
        let title = Span::from(title);
        if at == marked {
            title.underlined()
        } else {
            title
        }
    });
    let header = TableRow::new(header.map(Cell::from)).style(Modifier::BOLD);
    let chosen = match around.colour {
        true => Style::new().reversed(),
        false => Style::new().add_modifier(Modifier::REVERSED),
    };
    let table = Table::new(rows, widths)
        .header(header)
        .column_spacing(1)
        .row_highlight_style(chosen);
    let at = shown.iter().position(|row| Some(row.id) == state.chosen);
    let mut place = TableState::new().with_selected(at);
    frame.render_stateful_widget(table, area, &mut place);
}

fn detail(frame: &mut Frame<'_>, area: Rect, row: &Row, around: &Around) {
    let [facts, chart, source] = Layout::vertical([
        Constraint::Length(5 + row.map_ids.len().min(6) as u16),
        Constraint::Length(3),
        Constraint::Min(0),
    ])
    .areas(area);
    let mut lines = vec![
        Line::from(printable(&format!("{} (id {}, {})", row.name, row.id, row.kind)).into_owned())
            .style(Modifier::BOLD),
        Line::from(format!(
            "{} runs/s, {} ns each, {:.2} % of a CPU",
            grouped(row.runs.round() as u64),
            grouped(row.nanos),
            row.percent
        )),
        Line::from(printable(&format!("attached to {}", around.places(row.id))).into_owned()),
        Line::from(printable(&format!("held by {}", around.holders(row.id))).into_owned()),
    ];
    lines.extend(
        row.map_ids
            .iter()
            .take(6)
            .map(|id| Line::from(map_line(*id))),
    );
    frame.render_widget(Paragraph::new(lines), facts);
    // Hundredths of a per cent, since charts take whole numbers.
    let values: Vec<u64> = row
        .history
        .iter()
        .map(|value| (value * 100.0) as u64)
        .collect();
    frame.render_widget(Sparkline::default().data(values), chart);
    let lines = ProgramInfo::from_id(row.id).and_then(|program| program.code());
    let mut text: Vec<Line<'_>> = Vec::new();
    let mut last = None;
    for line in lines.map(|code| code.lines).unwrap_or_default() {
        if !line.text.is_empty() && last != Some(line.line) {
            last = Some(line.line);
            text.push(Line::from(
                printable(&format!("{:>5}: {}", line.line, line.text)).into_owned(),
            ));
        }
    }
    frame.render_widget(Paragraph::new(text), source);
}

/// A map with its size, and its fill where that can be found quickly.
fn map_line(id: u32) -> String {
    let opened = MapData::from_id(id).and_then(|map| Ok((map.info()?, map)));
    let (info, map) = match opened {
        Ok(opened) => opened,
        Err(MapError::SyscallError { error, .. }) if error.errno() == libc::ENOENT => {
            return format!("map {id}: gone");
        }
        Err(error) => return format!("map {id}: {error}"),
    };
    let size = grouped(info.max_entries().into());
    let text = match fill(&map, &info) {
        Some(fill) => format!(
            "map {} ({}): {fill} of {size}",
            info.name(),
            info.type_name()
        ),
        None => format!("map {} ({}): {size}", info.name(), info.type_name()),
    };
    printable(&text).into_owned()
}

/// The most elements that are counted.
const MOST_COUNTED: usize = 10_000;

fn fill(map: &MapData, info: &MapInfo) -> Option<String> {
    match info.map_type()? {
        MapType::Hash
        | MapType::LruHash
        | MapType::PercpuHash
        | MapType::LruPercpuHash
        | MapType::LpmTrie => {
            let count = map
                .key_bytes()
                .take(MOST_COUNTED)
                .take_while(Result::is_ok)
                .count();
            Some(match count {
                MOST_COUNTED => format!("≥ {}", grouped(MOST_COUNTED as u64)),
                count => grouped(count as u64),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_found_out_is_not_called_nothing() {
        let around = |attached| Around {
            pids: Err(Failure::new("reading /proc: too many open files")),
            attached,
            colour: false,
        };
        assert_eq!(around(Ok(Vec::new())).places(7), "nothing");
        let unknown = around(Err(Failure::new("listing links: too many open files")));
        assert_eq!(unknown.places(7), "? (listing links: too many open files)");
        assert_eq!(unknown.holders(7), "? (reading /proc: too many open files)");
    }
}
