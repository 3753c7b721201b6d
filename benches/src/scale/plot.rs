//! A curve as a picture, both axes logarithmic.

use super::curve::{Cost, Curve};
use crate::tools::Result;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (640, 420);

pub fn draw(curve: &Curve, file: &Path) -> Result {
    let costs = || {
        curve
            .points
            .iter()
            .flat_map(|point| [point.ours, point.theirs])
    };
    let works = || curve.points.iter().map(|point| point.work);
    let range = |low: f64, high: f64| (0.7 * low..1.4 * high).log_scale();
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(&curve.name, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(
            range(least(&mut works()), most(&mut works())),
            range(least(&mut costs()).max(1e-3), most(&mut costs())),
        )?;
    chart
        .configure_mesh()
        .x_desc(curve.work)
        .y_desc(curve.unit)
        .draw()?;
    let whose: [(&str, RGBColor, Cost); 2] = [
        ("Hachi", BLUE, |point| point.ours),
        (curve.peer, RED, |point| point.theirs),
    ];
    for (name, color, cost) in whose {
        let line: Vec<(f64, f64)> = curve.points.iter().map(|p| (p.work, cost(p))).collect();
        chart
            .draw_series(LineSeries::new(line.iter().copied(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
        let dots = line.iter().map(|&at| Circle::new(at, 3, color.filled()));
        chart.draw_series(dots)?;
    }
    chart.configure_series_labels().border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}
