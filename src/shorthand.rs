//! `millrace dags` is `millrace dags list`: the word may be left out where a command can list.
//!
//! Must not change what a complete command means.

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

/// Parses arguments; those that mean nothing are tried with `list` behind their command.
///
/// # Errors
/// What is wrong with the arguments as they were given, or that help was asked for.
pub(crate) fn parse<C: Parser>(args: &[OsString]) -> Result<C, clap::Error> {
    let error = match C::try_parse_from(args) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Err(error);
    }
    let commands = C::command();
    let lists = |word: &OsString| {
        let command = word.to_str().and_then(|word| commands.find_subcommand(word));
        command.is_some_and(|command| command.find_subcommand("list").is_some())
    };
    // An option's value may have a command's name, so each place is tried.
    (1..args.len())
        .filter(|&place| lists(&args[place]))
        .find_map(|place| {
            let mut longer = args.to_vec();
            longer.insert(place + 1, "list".into());
            C::try_parse_from(longer).ok()
        })
        .ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;

    #[test]
    fn the_word_list_may_be_left_out() {
        let check = |line: &str, same_as: &str| {
            let of = |line: &str| {
                let words: Vec<_> = line.split(' ').map(OsString::from).collect();
                parse::<Cli>(&words).map(|cli| format!("{cli:?}")).map_err(|error| error.kind())
            };
            assert_eq!(of(line), of(same_as), "{line}");
            assert!(of(line).is_ok(), "{line}");
        };
        check("millrace dags", "millrace dags list");
        check("millrace dags --output json", "millrace dags list --output json");
        check("millrace --dags dags dags", "millrace --dags dags dags list");
        check("millrace runs report -n 5", "millrace runs list report -n 5");
        check("millrace connections", "millrace connections list");
        check("millrace runs show report latest", "millrace runs show report latest");
    }

    #[test]
    fn mistakes_are_answered_as_they_were_made() {
        let check = |line: &str, expected: ErrorKind| {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            assert_eq!(parse::<Cli>(&words).expect_err(line).kind(), expected, "{line}");
        };
        check("millrace runs shw report latest", ErrorKind::InvalidSubcommand);
        check("millrace dags --help", ErrorKind::DisplayHelp);
        check("millrace dags list --frequency 3", ErrorKind::UnknownArgument);
        check("millrace dag", ErrorKind::InvalidSubcommand);
    }
}
