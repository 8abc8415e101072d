//! Until when this side may log in to the other one: a certificate lapses, and is renewed by whoever runs the roles.

use crate::carry;
use crate::place::Place;
use backup_adapters::certificate::{self, Validity};
use backup_core::job::{Auth, Mode};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A certificate that lapses sooner is warned of.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// When the certificate is valid with which this side logs in; `None` where a key is enough, or the other side begins.
fn validity(place: &Place) -> Option<Result<Validity, certificate::CertificateError>> {
    let transport = &place.of().stream.transport;
    let begins = (transport.mode == Mode::Pull) == place.is_sink;
    (begins && transport.auth == Auth::Certificate)
        .then(|| certificate::validity(&certificate::beside(&carry::peer(place).identity)))
}

/// The end of that certificate.
pub(crate) fn until(place: &Place) -> Option<Timestamp> {
    validity(place)?.ok().map(|valid| valid.to)
}

/// What has to be said of it at this time.
pub(crate) fn warning(place: &Place, now: Timestamp) -> Option<String> {
    let (why, remedy) = match validity(place)? {
        Err(error) => (error.to_string(), "makes one"),
        Ok(valid) if valid.to <= now => (format!("the certificate to log in with lapsed at {}", valid.to), "renews it"),
        Ok(valid) if valid.to.duration_since(now) < SOON => {
            (format!("the certificate to log in with lapses at {}", valid.to), "renews it")
        }
        Ok(_) => return None,
    };
    Some(format!("{}: {why}: run playbooks/site.yml, which {remedy}", place.subject()))
}

/// The same, for cron once a day: an hourly entry would mail it every hour.
pub(crate) fn daily_warning(place: &Place, last: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    if last.is_some_and(|last| day(last) == day(now)) { None } else { warning(place, now) }
}
