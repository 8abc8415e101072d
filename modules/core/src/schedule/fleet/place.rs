//! Looking for a place for each source: its own, or the next one from there on at which all of its sinks have room.
//!
//! Sources with a shift from an earlier plan go first and keep it where they can; then come the others, in an order that
//! follows from their names. Nobody who was placed moves for one who comes later.

use super::{
    super::{PlanError, facts::hash},
    alike::{Kind, Member, Position},
    demand::{Demand, Flow, Room, Transfer, demand, room},
    load::{Course, Days, Limit, Load, course},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    rc::Rc,
};

/// All that places depend on.
pub(super) struct Field<'a> {
    pub kinds: Vec<Kind>,
    pub members: Vec<Member<'a>>,
    /// What each sink bears.
    pub limits: BTreeMap<&'a str, Limit>,
    rooms: Vec<Room>,
    demands: BTreeMap<(usize, Position), Rc<Demand>>,
    /// Positions at which a kind breaks a promise that it holds at its own.
    pub barred: BTreeSet<(usize, Position)>,
}

/// Where everybody is.
#[derive(Debug, Clone, Default)]
pub(super) struct Placed {
    /// Minutes, by member.
    pub shifts: Vec<u32>,
    /// Members for whom no place was found: they are where they would be without the others, who are placed as if these
    /// were not there.
    pub homeless: Vec<usize>,
}

impl<'a> Field<'a> {
    /// # Errors
    /// If no plan can be made of a kind.
    pub(super) fn new(
        kinds: Vec<Kind>,
        members: Vec<Member<'a>>,
        limits: BTreeMap<&'a str, Limit>,
    ) -> Result<Self, PlanError> {
        let rooms = kinds.iter().map(room).collect::<Result<_, _>>()?;
        Ok(Self { kinds, members, limits, rooms, demands: BTreeMap::new(), barred: BTreeSet::new() })
    }

    /// The position of a member that is shifted so far.
    pub(super) fn position(&self, member: &Member<'_>, shift: u32) -> Position {
        self.rooms[member.kind].position(member.place, shift)
    }

    /// What a member asks for there.
    pub(super) fn demand(&mut self, kind: usize, at: Position) -> Result<Rc<Demand>, PlanError> {
        if let Some(known) = self.demands.get(&(kind, at)) {
            return Ok(Rc::clone(known));
        }
        let found = Rc::new(demand(&self.kinds[kind], at)?);
        self.demands.insert((kind, at), Rc::clone(&found));
        Ok(found)
    }

    /// What a member asks for at a position that somebody has.
    pub(super) fn known(&self, kind: usize, at: Position) -> &[Flow] {
        self.demands.get(&(kind, at)).map_or(&[], |demand| demand.as_slice())
    }

    /// In how many ways the transports of a member for whom no place was found could lie: windows leave fewer than there are
    /// minutes by which it can be shifted.
    pub(super) fn choices(&self, n: usize) -> usize {
        let (member, kind) = (&self.members[n], self.members[n].kind);
        let places = (0..=self.rooms[kind].minutes).map(|shift| self.position(member, shift));
        let open = places.filter(|at| !self.barred.contains(&(kind, *at)));
        let lies = |at| self.known(kind, at).iter().map(|flow| flow.transfers.as_slice()).collect::<Vec<_>>();
        open.map(lies).collect::<HashSet<_>>().len()
    }

    /// Whether everybody has a place, and no sink too much, if one sink bore something else.
    pub(super) fn holds_with(
        &mut self,
        sink: &'_ str,
        change: impl FnOnce(&mut Limit),
        days: &Days,
    ) -> Result<bool, PlanError> {
        let Some((&name, &before)) = self.limits.get_key_value(sink) else { return Ok(false) };
        self.limits.entry(name).and_modify(change);
        let settled = self.settle(&mut days.clone());
        self.limits.insert(name, before);
        Ok(settled?.1.get(name).is_some_and(|course| course.days.is_empty()))
    }

    /// Places everybody on some days, and goes over the whole horizon; where that shows more days on which it is too much,
    /// those are added.
    pub(super) fn settle(&mut self, days: &mut Days) -> Result<(Placed, BTreeMap<&'a str, Course>), PlanError> {
        loop {
            let placed = self.place(days)?;
            let courses = self.courses(&placed)?;
            let found: Vec<u32> = courses.values().flat_map(|course| &course.days).copied().collect();
            if !placed.homeless.is_empty() || !days.add(&found) {
                return Ok((placed, courses));
            }
        }
    }

    fn place(&mut self, days: &Days) -> Result<Placed, PlanError> {
        let mut trial = Trial { days, loads: BTreeMap::new(), footprints: BTreeMap::new() };
        let mut placed = Placed { shifts: vec![0; self.members.len()], homeless: Vec::new() };
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order
            .sort_by_key(|&n| (self.members[n].before.is_none(), hash(self.members[n].source), self.members[n].source));
        let mut remaining = Vec::new();
        for n in order {
            let before = self.members[n].before;
            match before {
                Some(shift) if self.takes(&mut trial, n, shift)? => placed.shifts[n] = shift,
                _ => remaining.push(n),
            }
        }
        for n in remaining {
            let rooms = self.rooms[self.members[n].kind].minutes + 1;
            let first = self.members[n].before.unwrap_or_default() % rooms;
            let mut found = None;
            for step in 0..rooms {
                let shift = (first + step) % rooms;
                if self.takes(&mut trial, n, shift)? {
                    found = Some(shift);
                    break;
                }
            }
            placed.shifts[n] = found.unwrap_or(first);
            if found.is_none() {
                placed.homeless.push(n);
            }
        }
        Ok(placed)
    }

    /// Takes a place for a member, if there is room at all of its sinks.
    fn takes(&mut self, trial: &mut Trial<'a, '_>, n: usize, shift: u32) -> Result<bool, PlanError> {
        let (kind, at) = (self.members[n].kind, self.position(&self.members[n], shift));
        if shift > self.rooms[kind].minutes || self.barred.contains(&(kind, at)) {
            return Ok(false);
        }
        let footprint = self.footprint(trial, kind, at)?;
        for (taken, (sink, transfers)) in footprint.iter().enumerate() {
            let name = self.members[n].sinks[*sink];
            if !trial.load(name).fits(transfers, self.limits[name]) {
                for (sink, transfers) in &footprint[..taken] {
                    trial.load(self.members[n].sinks[*sink]).remove(transfers);
                }
                return Ok(false);
            }
            trial.load(name).add(transfers);
        }
        Ok(true)
    }

    fn footprint(&mut self, trial: &mut Trial<'a, '_>, kind: usize, at: Position) -> Result<Rc<Footprint>, PlanError> {
        if let Some(known) = trial.footprints.get(&(kind, at)) {
            return Ok(Rc::clone(known));
        }
        let demand = self.demand(kind, at)?;
        let found = Rc::new(demand.iter().map(|flow| (flow.sink, trial.days.of(&flow.transfers))).collect());
        trial.footprints.insert((kind, at), Rc::clone(&found));
        Ok(found)
    }

    /// What each sink goes through over the whole horizon.
    fn courses(&mut self, placed: &Placed) -> Result<BTreeMap<&'a str, Course>, PlanError> {
        // Per sink: how many sources have the same transfers.
        let mut alike: BTreeMap<&'a str, BTreeMap<(usize, Position, usize), u32>> = BTreeMap::new();
        for (n, &shift) in placed.shifts.iter().enumerate() {
            let (kind, at) = (self.members[n].kind, self.position(&self.members[n], shift));
            for (index, flow) in self.demand(kind, at)?.iter().enumerate() {
                let of_sink = alike.entry(self.members[n].sinks[flow.sink]).or_default();
                *of_sink.entry((kind, at, index)).or_default() += 1;
            }
        }
        let of = |(sink, alike): (&'a str, BTreeMap<(usize, Position, usize), u32>)| {
            let flows = alike
                .iter()
                .map(|(&(kind, at, index), &sources)| (sources, self.demands[&(kind, at)][index].transfers.as_slice()));
            (sink, course(flows, self.limits[sink]))
        };
        Ok(alike.into_iter().map(of).collect())
    }
}

/// Transfers on the days of a trial, by number of the sink.
type Footprint = Vec<(usize, Vec<Transfer>)>;

/// The sinks on some days, while places are taken.
struct Trial<'a, 'd> {
    days: &'d Days,
    loads: BTreeMap<&'a str, Load>,
    footprints: BTreeMap<(usize, Position), Rc<Footprint>>,
}

impl<'a> Trial<'a, '_> {
    fn load(&mut self, sink: &'a str) -> &mut Load {
        self.loads.entry(sink).or_insert_with(|| self.days.load())
    }
}
