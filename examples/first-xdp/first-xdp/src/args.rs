//! The command line: options, each followed by its value.

#![allow(dead_code, reason = "a program uses what its options need")]

use std::str::FromStr;

use anyhow::Context;

/// What was given, in this order.
#[derive(Debug, Default, PartialEq)]
pub struct Args(Vec<(String, String)>);

impl Args {
    /// Takes the command line apart. `known` are the names of all options, such as `--iface`.
    pub fn parse(
        known: &[&str],
        mut arguments: impl Iterator<Item = String>,
    ) -> anyhow::Result<Args> {
        let mut given = Vec::new();
        while let Some(option) = arguments.next() {
            if !known.contains(&option.as_str()) {
                anyhow::bail!("unknown option {option}; see --help");
            }
            let value = arguments.next();
            let value = value.with_context(|| format!("{option} needs a value; see --help"))?;
            given.push((option, value));
        }
        Ok(Args(given))
    }

    /// All the values of an option.
    pub fn all<T: FromStr>(&self, option: &str) -> anyhow::Result<Vec<T>> {
        let values = self.0.iter().filter(|(name, _)| name == option);
        let parsed = values.map(|(_, value)| match value.parse() {
            Ok(value) => Ok(value),
            Err(_) => anyhow::bail!("`{value}` is not a value of {option}; see --help"),
        });
        parsed.collect()
    }

    /// The last value of an option, if there is one.
    pub fn get<T: FromStr>(&self, option: &str) -> anyhow::Result<Option<T>> {
        Ok(self.all(option)?.pop())
    }

    /// The last value of an option that has to be given.
    pub fn need<T: FromStr>(&self, option: &str) -> anyhow::Result<T> {
        let value = self.get(option)?;
        value.with_context(|| format!("{option} is missing; see --help"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Args> {
        Args::parse(&["--name", "--port"], line.split(' ').map(str::to_owned))
    }

    #[test]
    fn gives_values_by_option() {
        let args = parse("--port 80 --name bee --port 443").unwrap();
        assert_eq!(args.all::<u16>("--port").unwrap(), [80, 443]);
        assert_eq!(args.need::<u16>("--port").unwrap(), 443);
        assert_eq!(args.need::<String>("--name").unwrap(), "bee");
        assert!(Args::default().need::<u16>("--port").is_err());
    }

    #[test]
    fn names_the_mistake() {
        let error = |line| parse(line).unwrap_err().to_string();
        assert_eq!(error("--port"), "--port needs a value; see --help");
        assert_eq!(error("--sideways"), "unknown option --sideways; see --help");
        let port = parse("--port many").unwrap().need::<u16>("--port");
        assert_eq!(
            port.unwrap_err().to_string(),
            "`many` is not a value of --port; see --help"
        );
    }
}
