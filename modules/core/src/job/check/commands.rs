//! Services, and the commands that the user declares.

use super::Found;
use super::names::is_clean;
use crate::job::{Command, Hooks, Service};
use std::path::Path;

impl Found {
    pub(super) fn argv(&mut self, key: &str, argv: &[String]) {
        match argv.first() {
            None => self.add(key, "no command is given", "Give the program and its arguments as a list."),
            Some(program) if program.is_empty() || (program.contains('/') && !is_clean(Path::new(program))) => {
                self.add(
                    key,
                    format!("{program:?} is not a program"),
                    "Give an absolute path, or a bare name found in the standard PATH.",
                );
            }
            Some(_) => {}
        }
        if argv.iter().any(|argument| argument.contains('\0')) {
            self.add(key, "an argument contains NUL", "Remove it.");
        }
    }

    pub(super) fn command(&mut self, key: &str, command: &Command) {
        self.argv(&format!("{key}.run"), &command.run);
        if command.timeout.0 == 0 {
            self.add(
                format!("{key}.timeout"),
                "0s is no time limit",
                "Give the longest time it may take, such as 5min.",
            );
        }
        if let Some(user) = &command.user {
            self.login(&format!("{key}.user"), user);
        }
        for (i, path) in command.secret_files.iter().enumerate() {
            self.path(&format!("{key}.secret_files[{i}]"), path);
        }
    }

    pub(super) fn hooks(&mut self, key: &str, hooks: &Hooks) {
        let lists = [
            ("before", &hooks.before),
            ("after", &hooks.after),
            ("failed", &hooks.failed),
            ("finally", &hooks.r#finally),
        ];
        for (name, list) in lists {
            for (i, command) in list.iter().enumerate() {
                self.command(&format!("{key}.{name}[{i}]"), command);
            }
        }
    }

    pub(super) fn service(&mut self, key: &str, service: &Service) {
        let kinds = [&service.systemd, &service.sysv, &service.name];
        if kinds.iter().filter(|kind| kind.is_some()).count() != 1 {
            self.add(
                key,
                "it is not clear which kind of service this is",
                "Give exactly one of `systemd`, `sysv` and `name`.",
            );
            return;
        }
        let word = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.bytes().all(|c| c.is_ascii_alphanumeric() || b":_.@\\-".contains(&c))
        };
        if let Some(unit) = &service.systemd {
            let suffix = unit.rsplit_once('.').map_or("", |(_, suffix)| suffix);
            if !word(unit) || !matches!(suffix, "service" | "socket" | "target" | "timer" | "path" | "mount") {
                self.add(
                    format!("{key}.systemd"),
                    format!("{unit:?} is not a unit name"),
                    "Give the unit with its suffix, such as shop.service.",
                );
            }
        }
        if let Some(script) = &service.sysv
            && !word(script)
        {
            self.add(
                format!("{key}.sysv"),
                format!("{script:?} is not a service name"),
                "Give the name of a script in /etc/init.d.",
            );
        }
        let declared = [("status", &service.status), ("stop", &service.stop), ("start", &service.start)];
        for (name, argv) in declared {
            match (&service.name, argv.is_empty()) {
                (Some(_), _) => self.argv(&format!("{key}.{name}"), argv),
                (None, false) => self.add(
                    format!("{key}.{name}"),
                    "commands belong to a service with a `name`",
                    "Remove it, or replace `systemd`/`sysv` by `name`.",
                ),
                (None, true) => {}
            }
        }
        if let Some(name) = &service.name
            && !word(name)
        {
            self.add(
                format!("{key}.name"),
                format!("{name:?} is not a usable name"),
                "Use letters, digits and `:_.@-`.",
            );
        }
        if service.timeout.0 == 0 {
            self.add(
                format!("{key}.timeout"),
                "0s is no time limit",
                "Give the longest time a stop or start may take, such as 90s.",
            );
        }
    }
}
