//! What keeps documentation true refuses what it cannot document.
#![allow(clippy::unwrap_used)]

use backup_interface::docs::{check, stub};
use backup_interface::{Module, Returned, report};

#[derive(clap::Subcommand)]
#[allow(dead_code, reason = "only its declaration is read")]
enum Good {
    /// Run.
    Run(Options),
}

#[derive(clap::Args)]
#[allow(dead_code, reason = "only its declaration is read")]
struct Options {
    /// A path.
    #[arg(long)]
    path: String,
}

#[derive(clap::Subcommand)]
#[allow(dead_code, reason = "only its declaration is read")]
enum Undocumented {
    /// Run.
    Run {
        #[arg(long)]
        path: String,
    },
}

#[derive(clap::Subcommand)]
#[allow(dead_code, reason = "only its declaration is read")]
enum Reserved {
    /// Run.
    Run {
        /// The name is taken.
        #[arg(long)]
        action: String,
    },
}

#[derive(clap::Subcommand)]
#[allow(dead_code, reason = "only its declaration is read")]
enum Twofold {
    /// Run.
    Run {
        /// A number.
        #[arg(long)]
        count: u8,
    },
    /// Status.
    Status {
        /// A word.
        #[arg(long)]
        count: String,
    },
}

#[derive(clap::Subcommand)]
#[allow(dead_code, reason = "only its declaration is read")]
enum Renaming {
    /// Run.
    Run {
        /// A word.
        #[arg(long = "word")]
        term: String,
    },
}

report! {
    /// A report.
    #[derive(serde::Serialize)]
    struct Plain {
        /// Found.
        found: Option<u8>,
    }
}

report! {
    /// A report with a field that Ansible would take for its own.
    #[derive(serde::Serialize)]
    struct Failing {
        /// Bad.
        failed: bool,
    }
}

report! {
    /// A report whose field has another name in the result.
    #[derive(serde::Serialize)]
    struct Renamed {
        /// Found.
        #[serde(rename = "lost")]
        found: bool,
    }
}

const fn module(returns: fn() -> Vec<Returned>) -> Module {
    Module {
        name: "backup_none",
        summary: "Nothing",
        description: &["Does nothing."],
        examples: "- backup_none:\n",
        files: &[],
        returns,
    }
}

#[test]
fn what_cannot_be_documented_is_named() {
    let good = module(|| vec![Returned::new("always", &Plain { found: Some(1) })]);
    assert!(stub::<Good>(&good).is_ok());
    assert_eq!(stub::<Undocumented>(&good).unwrap_err(), "option path has no documentation");
    assert_eq!(stub::<Reserved>(&good).unwrap_err(), "option action is reserved: it names the action");
    assert_eq!(stub::<Twofold>(&good).unwrap_err(), "option count has another type in another action");
    assert_eq!(stub::<Renaming>(&good).unwrap_err(), "option term is called --word on the command line");
    let bad = |returns| stub::<Good>(&module(returns)).unwrap_err();
    assert_eq!(bad(|| vec![Returned::new("always", &Plain { found: None })]), "the sample of found is null");
    assert_eq!(bad(|| vec![Returned::new("always", &Failing { failed: true })]), "the field failed is reserved");
    assert_eq!(
        bad(|| vec![Returned::new("always", &Renamed { found: true })]),
        "the sample has a field lost that the report does not declare"
    );
}

#[test]
fn documentation_that_differs_is_noticed_with_the_remedy() {
    let module = module(Vec::new);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup_none.py");
    assert!(check::<Good>(&module, dir.path()).unwrap_err().contains("backup_none.py: No such file"));
    std::fs::write(&file, stub::<Good>(&module).unwrap()).unwrap();
    check::<Good>(&module, dir.path()).unwrap();
    std::fs::write(&file, "DOCUMENTATION: {}\n").unwrap();
    let message = check::<Good>(&module, dir.path()).unwrap_err();
    assert!(message.ends_with(&format!("run `backup_none docs > {}`", file.display())), "{message}");
}
