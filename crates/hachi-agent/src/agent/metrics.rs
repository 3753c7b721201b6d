//! What the applications cost and do, in the OpenMetrics format.

use std::path::Path;

use hachi::programs::ProgramInfo;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::pinned::Pins;

/// Reads the pins under `directory` and says what runs, for a scraper. Run counts and times are
/// there only while the kernel counts them (`kernel.bpf_stats_enabled`), because counting costs.
///
/// # Errors
/// If pins cannot be read.
pub fn exposition(directory: &Path) -> std::io::Result<String> {
    let mut samples = Samples::default();
    for application in Pins::applications(directory)? {
        let pins = Pins::of(directory, &application);
        let pinned = pins.read()?;
        samples
            .links
            .push((application.clone(), pinned.links.len()));
        for (version, programs) in pinned.versions {
            for name in programs.into_keys() {
                let info = ProgramInfo::from_pin(pins.version(&version).join(&name));
                let Ok(info) = info else { continue };
                samples
                    .programs
                    .push((application.clone(), version.clone(), name, info));
            }
        }
        for entry in std::fs::read_dir(pins.maps())
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Ok(info) = hachi::maps::MapInfo::from_pin(entry.path()) {
                samples.maps.push((application.clone(), info));
            }
        }
    }
    Ok(samples.encode())
}

#[derive(Debug, Default)]
struct Samples {
    links: Vec<(String, usize)>,
    programs: Vec<(String, String, String, ProgramInfo)>,
    maps: Vec<(String, hachi::maps::MapInfo)>,
}

/// A collector registers itself for one scrape.
#[derive(Debug)]
struct Collector(Samples);

type Labels<'a> = Vec<(&'a str, &'a str)>;

impl prometheus_client::collector::Collector for Collector {
    fn encode(
        &self,
        mut encoder: prometheus_client::encoding::DescriptorEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        use prometheus_client::encoding::EncodeMetric as _;
        use prometheus_client::metrics::MetricType;

        let Collector(samples) = self;
        let mut family =
            encoder.encode_descriptor("hachi_links", "Links", None, MetricType::Gauge)?;
        for (application, count) in &samples.links {
            let labels: Labels<'_> = vec![("application", application)];
            ConstGauge::new(*count as i64).encode(family.encode_family(&labels)?)?;
        }
        let name = "hachi_program_verified_instructions";
        let help = "Instructions that the verifier looked at";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (application, version, program, info) in &samples.programs {
            let labels = labels(application, version, program);
            let count = i64::from(info.verified_insns().unwrap_or(0));
            ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
        }
        let counting = |info: &ProgramInfo| info.run_stats().0 > 0;
        if samples
            .programs
            .iter()
            .any(|(_, _, _, info)| counting(info))
        {
            let name = "hachi_program_runs";
            let mut family =
                encoder.encode_descriptor(name, "Runs of a program", None, MetricType::Counter)?;
            for (application, version, program, info) in &samples.programs {
                let labels = labels(application, version, program);
                ConstCounter::new(info.run_stats().0).encode(family.encode_family(&labels)?)?;
            }
            let name = "hachi_program_run";
            let unit = prometheus_client::registry::Unit::Seconds;
            let mut family = encoder.encode_descriptor(
                name,
                "Time in a program",
                Some(&unit),
                MetricType::Counter,
            )?;
            for (application, version, program, info) in &samples.programs {
                let labels = labels(application, version, program);
                let seconds = info.run_stats().1.as_secs_f64();
                ConstCounter::new(seconds).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Entries that a map has room for";
        let mut family =
            encoder.encode_descriptor("hachi_map_max_entries", help, None, MetricType::Gauge)?;
        for (application, info) in &samples.maps {
            let (name, kind) = (info.name(), info.type_name());
            let labels: Labels<'_> = vec![
                ("application", application),
                ("map", &name),
                ("type", &kind),
            ];
            ConstGauge::new(i64::from(info.max_entries()))
                .encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn labels<'a>(application: &'a str, version: &'a str, program: &'a str) -> Labels<'a> {
    vec![
        ("application", application),
        ("version", version),
        ("program", program),
    ]
}

impl Samples {
    fn encode(self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(Collector(self)));
        let mut text = String::new();
        encode(&mut text, &registry).expect("text takes what is written");
        text
    }
}
