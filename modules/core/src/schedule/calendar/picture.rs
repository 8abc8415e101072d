//! A calendar as a picture (SVG): a block per day, in it a row per job, or several where something of a job happens at once.

use super::{Calendar, CalendarDay, Event};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Width of an hour.
const HOUR: i64 = 42;
/// Height of a row.
const ROW: i64 = 16;
/// Where names of jobs begin, after the date.
const NAMES: i64 = 108;
/// About the width of a letter.
const LETTER: i64 = 7;
/// So many letters are on a line of the story.
const LINE: usize = 150;
/// Something short is drawn as if it took so many minutes: it is still seen.
const SHORTEST: i64 = 5;
/// What is not held.
const BROKEN: &str = "#c00";
/// A time beside a bar needs so much room.
const TIME: i64 = 34;

/// A part of an event on one day, in minutes.
struct Bar<'c> {
    from: i64,
    to: i64,
    event: &'c Event,
    /// It began on the day before.
    rest: bool,
}

impl Calendar {
    /// The same as a picture, with a list of the colours. What is not held is marked in red.
    pub fn svg(&self) -> String {
        let blocks = self.blocks();
        let names = blocks.iter().flatten().map(|(name, _)| name.len()).max().unwrap_or_default();
        let left = NAMES + i64::try_from(names).unwrap_or_default() * LETTER + 10;
        let story = self.counter_example.as_ref().map(|story| wrapped(&format!("Not feasible: {story}")));
        let mut picture = Picture { left, y: 20, body: String::new() };
        picture.text(4, 15, "font-weight=\"bold\"", &self.title());
        for line in story.iter().flatten() {
            picture.y += 15;
            picture.text(4, 11, &format!("fill=\"{BROKEN}\""), line);
        }
        picture.y += 20;
        picture.legend(&self.days);
        picture.hours();
        let top = picture.y;
        for (day, rows) in self.days.iter().zip(&blocks) {
            picture.day(day, rows);
        }
        picture.lines(top);
        picture.hours();
        let (width, height) = (left + 24 * HOUR + 40, picture.y + 10);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n\
             <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{}</svg>\n",
            escaped(&self.title()),
            picture.body
        )
    }

    fn title(&self) -> String {
        let days = self.days.first().zip(self.days.last());
        let days = days.map(|(first, last)| format!(", {} to {}", first.date, last.date)).unwrap_or_default();
        format!("Backups of {}{days}, local time of {}", self.source, self.zone)
    }

    /// Per day its rows: the name of the job, and what is drawn there one after the other.
    fn blocks(&self) -> Vec<Vec<(&str, Vec<Bar<'_>>)>> {
        let mut days: Vec<BTreeMap<&str, Vec<Vec<Bar<'_>>>>> = self.days.iter().map(|_| BTreeMap::new()).collect();
        for (first, event) in self.days.iter().enumerate().flat_map(|(n, day)| day.events.iter().map(move |e| (n, e))) {
            let name = event.job.rsplit('/').next().unwrap_or_default();
            // What passes midnight goes on on the next day.
            let (mut from, mut to) = (i64::from(event.minute), i64::from(event.minute) + event.takes.max(60) / 60);
            for (later, day) in days[first..].iter_mut().enumerate() {
                let bar = Bar { from, to: to.min(1440), event, rest: later > 0 };
                let rows = day.entry(name).or_default();
                let free = |row: &&mut Vec<Bar<'_>>| row.last().is_none_or(|last| last.end() <= bar.from);
                match rows.iter_mut().find(free) {
                    Some(row) => row.push(bar),
                    None => rows.push(vec![bar]),
                }
                (from, to) = (0, to - 1440);
                if to <= 0 {
                    break;
                }
            }
        }
        let named = |(name, rows): (_, Vec<Vec<_>>)| rows.into_iter().map(move |row| (name, row)).collect::<Vec<_>>();
        days.into_iter().map(|jobs| jobs.into_iter().flat_map(named).collect()).collect()
    }
}

impl Bar<'_> {
    /// The minute until which it is drawn.
    fn end(&self) -> i64 {
        self.to.max(self.from + SHORTEST)
    }
}

/// What is drawn so far.
struct Picture {
    /// Where midnight is.
    left: i64,
    /// How far down.
    y: i64,
    body: String,
}

impl Picture {
    fn add(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    fn text(&mut self, x: i64, size: i64, style: &str, text: &str) {
        let y = self.y;
        self.add(&format!("<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" {style}>{}</text>", escaped(text)));
    }

    /// Minute of the day to the right.
    const fn x(&self, minute: i64) -> i64 {
        self.left + minute * HOUR / 60
    }

    fn legend(&mut self, days: &[CalendarDay]) {
        let mut words: Vec<(&str, &str)> =
            days.iter().flat_map(|day| &day.events).map(|event| (event.word(), event.colour())).collect();
        words.sort_unstable();
        words.dedup();
        if days.iter().any(|day| !day.breaches.is_empty()) {
            words.push(("a promise is broken", BROKEN));
        }
        let mut x = 4;
        for (word, colour) in words {
            self.add(&format!("<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>", self.y - 10));
            self.text(x + 17, 11, "", word);
            x += 40 + i64::try_from(word.len()).unwrap_or_default() * LETTER;
        }
        self.y += 22;
    }

    fn hours(&mut self) {
        for hour in 0..=24 {
            self.text(self.x(hour * 60), 10, "text-anchor=\"middle\" fill=\"#555\"", &format!("{hour:02}"));
        }
        self.y += 8;
    }

    fn day(&mut self, day: &CalendarDay, rows: &[(&str, Vec<Bar<'_>>)]) {
        let (top, right) = (self.y, self.x(1440));
        self.add(&format!("<line x1=\"4\" y1=\"{top}\" x2=\"{right}\" y2=\"{top}\" stroke=\"#999\"/>"));
        self.y += 12;
        self.text(4, 11, "", &format!("{} {}", day.weekday, day.date));
        for (n, (name, bars)) in rows.iter().enumerate() {
            // Further rows of a job need no name.
            if n == 0 || rows[n - 1].0 != *name {
                self.text(NAMES, 11, "", name);
            }
            for bar in bars {
                self.bar(bar);
            }
            self.times(bars);
            self.y += ROW;
        }
        self.y = (self.y - 8).max(top + ROW);
        let bottom = self.y;
        for (minute, story) in &day.breaches {
            let x = self.x((*minute).into());
            self.add(&format!(
                "<line x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"{BROKEN}\" stroke-width=\"2\"><title>{}</title></line>",
                escaped(story)
            ));
        }
        self.y += 2;
    }

    fn bar(&mut self, bar: &Bar<'_>) {
        let (x, end) = (self.x(bar.from), self.x(bar.end()));
        self.add(&format!(
            "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"12\" fill=\"{}\"><title>{}</title></rect>",
            self.y - 10,
            end - x,
            bar.event.colour(),
            escaped(&bar.event.to_string())
        ));
    }

    /// Beside bars that follow each other closely, when the first of them begins; where there is room.
    fn times(&mut self, bars: &[Bar<'_>]) {
        for group in bars.chunk_by(|bar, next| next.from - bar.end() < SHORTEST) {
            let (first, end) = (&group[0], group[group.len() - 1].end());
            let next = bars.iter().map(|bar| bar.from).find(|&from| from >= end).unwrap_or(2 * 1440);
            if !first.rest && (next - end) * HOUR / 60 >= TIME {
                self.text(self.x(end) + 2, 9, "fill=\"#555\"", &first.event.time);
            }
        }
    }

    /// A line per hour from `top` on, below all that is drawn already.
    fn lines(&mut self, top: i64) {
        let mut lines = String::new();
        for hour in 0..=24 {
            let (x, bottom) = (self.x(hour * 60), self.y);
            let _ = writeln!(lines, "<line x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#ddd\"/>");
        }
        self.body.insert_str(0, &lines);
        self.y += 14;
    }
}

impl Event {
    const fn colour(&self) -> &'static str {
        match self.word().as_bytes() {
            b"full" => "#08519c",
            b"incremental" => "#6baed6",
            b"collect" => "#3182bd",
            b"transport" => "#31a354",
            b"rotate" => "#7f7f7f",
            b"verify" => "#9467bd",
            b"drill" => "#e377c2",
            b"snapshot" => "#ff7f0e",
            _ => "#8c564b",
        }
    }
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Lines of at most [`LINE`] letters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_filled_to_its_last_letter() {
        let (half, rest) = ("a".repeat(LINE / 2), "b".repeat(LINE / 2 - 1));
        assert_eq!(wrapped(&format!("{half} {rest}")), [format!("{half} {rest}")]);
        assert_eq!(wrapped(&format!("{half} {rest}c")), [half, format!("{rest}c")]);
    }
}
