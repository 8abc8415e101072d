//! Who is stopped together, and in which order.

use super::{Result, Service, ServiceError, Unit};
use std::collections::HashSet;

/// The services with everything that could start them again and everything that systemd would stop with them, in the
/// order in which they have to be stopped: timers and paths first, then each service behind what depends on it and
/// behind its sockets. Only units that are on are added; services named keep their place.
pub fn with_triggers(services: &[Service]) -> Result<Vec<Service>> {
    let seen = services.iter().filter_map(unit_name).map(Into::into).collect();
    let mut company = Company { seen, timers: Vec::new(), rest: Vec::new() };
    for service in services {
        match service {
            Service::Systemd(unit) => company.add(unit)?,
            _ => company.rest.push(service.clone()),
        }
    }
    company.timers.extend(company.rest);
    Ok(company.timers)
}

/// Units collected so far. A unit is taken once: dependencies may form circles.
struct Company {
    seen: HashSet<String>,
    timers: Vec<Service>,
    rest: Vec<Service>,
}

impl Company {
    fn add(&mut self, unit: &Unit) -> Result<()> {
        let triggers = self.unseen(unit.triggers()?)?;
        for stopped in std::iter::once(unit).chain(&triggers) {
            for dependent in self.unseen(stopped.stopped_with_it()?)? {
                self.add(&dependent)?;
            }
        }
        // The sockets last: they have to be next to their service.
        for trigger in triggers.into_iter().map(Service::Systemd) {
            if is_socket(&trigger) { self.rest.push(trigger) } else { self.timers.push(trigger) }
        }
        self.rest.push(Service::Systemd(unit.clone()));
        Ok(())
    }

    /// Those of `units` that are new here and on. What systemd cannot start is none of ours.
    fn unseen(&mut self, units: Vec<Unit>) -> Result<Vec<Unit>> {
        let mut on = Vec::new();
        for unit in units {
            if !self.seen.insert(unit.name.clone()) {
                continue;
            }
            match Service::Systemd(unit.clone()).settles_on() {
                Ok(true) => on.push(unit),
                Ok(false) | Err(ServiceError::Unknown { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(on)
    }
}

fn unit_name(service: &Service) -> Option<&str> {
    if let Service::Systemd(unit) = service { Some(&unit.name) } else { None }
}

/// The order in which services stopped in the order `stopped` are started: reversed, except that a socket comes right
/// before the service it belongs to: systemd refuses a socket whose service runs already.
pub fn start_order<T>(stopped: &[T], service: impl Fn(&T) -> &Service) -> Vec<&T> {
    let mut groups: Vec<Vec<&T>> = Vec::new();
    let mut open = false;
    for item in stopped {
        if open && let Some(group) = groups.last_mut() {
            group.push(item);
        } else {
            groups.push(vec![item]);
        }
        open = is_socket(service(item));
    }
    groups.into_iter().rev().flatten().collect()
}

fn is_socket(service: &Service) -> bool {
    unit_name(service).is_some_and(|name| name.ends_with(".socket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn unit(name: &str) -> Service {
        Service::Systemd(Unit { name: name.into(), timeout: Duration::from_secs(1) })
    }

    #[test]
    fn sockets_start_right_before_their_service_and_timers_last() {
        let stopped: Vec<_> = [
            "shop.timer",
            "shop.socket",
            "shop.service",
            "db.socket",
            "db-admin.socket",
            "db.service",
            "cache.service",
        ]
        .map(unit)
        .into();
        let started: Vec<_> = start_order(&stopped, |service| service).into_iter().map(Service::name).collect();
        assert_eq!(
            started,
            [
                "cache.service",
                "db.socket",
                "db-admin.socket",
                "db.service",
                "shop.socket",
                "shop.service",
                "shop.timer"
            ]
        );
        assert!(start_order(&[], |service: &Service| service).is_empty());
    }
}
