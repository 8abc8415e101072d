//! Which generation, and whether it may be trusted: the newest by id, the receipt signed; and of what a provider gave back, the
//! newest of which every stored byte is right.

use crate::error::{RestoreError, Result};
use crate::generation::{Generation, Part, roots};
use crate::owners::Told;
use crate::policy::Policy;
use crate::request::Request;
use crate::select::{Lenders, Selection};
use backup_adapters::keys;
use backup_adapters::signals::Interrupt;
use backup_adapters::store::{Stored, StreamStore};
use backup_adapters::there;
use backup_core::job::StreamOf;
use backup_core::layout::StreamDir;
use backup_core::manifest::{MANIFEST, MAX_MANIFEST_BYTES, Manifest, ManifestError};
use backup_core::receipt::Receipt;
use backup_core::{Failure, GenerationId, Kind, Wanted};
use backup_interface::Failed;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The generations to restore, one per stream, checked.
pub(crate) fn choose(request: &Request, interrupt: &Interrupt, warnings: &mut Vec<String>) -> Result<Vec<Generation>> {
    let mut chosen = Vec::new();
    let (mut places, mut others) = (Vec::new(), Vec::new());
    for &name in &request.streams {
        let Some(of) = request.job.stream(name) else { continue };
        let dir = StreamDir::new(&request.from.root(of), &request.job.job, name);
        let store = StreamStore::open(dir.clone());
        places.push(dir.path().to_owned());
        let look = match request.generation {
            Wanted::Id(id) if !request.streams_optional || there::is_there(&dir.generation(id))? => Look::only(id),
            Wanted::Id(_) => Look::default(),
            Wanted::Newest if request.from.is_returned() => Look::at(&store, None)?,
            Wanted::Newest => newest(&store)?.map(Look::only).unwrap_or_default(),
            Wanted::NotAfter(last) => Look::at(&store, Some(last))?,
        };
        match first(request, of, &store, look, interrupt, warnings)? {
            Some(Found::Wanted(generation)) => chosen.push(*generation),
            Some(Found::Other(roots)) => others.extend(roots),
            None => {}
        }
    }
    let selections: Vec<_> = chosen.iter().map(|generation| generation.selection.clone()).collect();
    if let Some(path) = request.selection.beyond(&selections).filter(|_| !(chosen.is_empty() && others.is_empty())) {
        others.extend(chosen.iter().flat_map(|generation| generation.own.stored.manifest.roots.clone()));
        return Err(RestoreError::NotCollected { path, roots: others }.into());
    }
    if !request.selection.is_all() && !chosen.is_empty() {
        return Ok(chosen);
    }
    if chosen.len() < request.streams.len() && (chosen.is_empty() || !request.streams_optional) {
        let place = places.into_iter().next().unwrap_or_else(PathBuf::new);
        return Err(RestoreError::Nothing { job: request.job.job.clone(), place }.into());
    }
    Ok(chosen)
}

/// The newest generation, by id. One that is sealed but contradicts itself counts: it will be refused, and that is better
/// than to take an older one in silence.
fn newest(store: &StreamStore) -> Result<Option<GenerationId>> {
    let listing = store.list()?;
    let odd = listing.oddities.iter().filter_map(|oddity| oddity.name.parse().ok());
    Ok(listing.generations.iter().map(|stored| stored.id).chain(odd).max())
}

/// What there is to choose from.
#[derive(Default)]
struct Look {
    /// Newest first.
    ids: Vec<GenerationId>,
    /// What cannot be restored, as far as a look tells, with the reason.
    bad: Vec<(GenerationId, String)>,
}

impl Look {
    fn only(id: GenerationId) -> Self {
        Self { ids: vec![id], bad: Vec::new() }
    }

    /// What lies in a store and is not after `last`.
    fn at(store: &StreamStore, last: Option<GenerationId>) -> Result<Self> {
        let listing = store.list()?;
        let mut look = Self::default();
        for stored in listing.generations.iter().rev() {
            let base = stored.manifest.base.as_ref();
            match base.filter(|base| listing.get(base.id).is_none_or(|found| found.digest != base.digest)) {
                Some(base) => look.bad.push((stored.id, format!("its base {} is missing", base.id))),
                None => look.ids.push(stored.id),
            }
        }
        look.bad.extend(listing.partials.iter().map(|id| (*id, "it was never completed".to_owned())));
        look.bad
            .extend(listing.oddities.into_iter().filter_map(|oddity| Some((oddity.name.parse().ok()?, oddity.why))));
        look.ids.retain(|id| last.is_none_or(|last| *id <= last));
        look.bad.retain(|(id, _)| last.is_none_or(|last| *id <= last));
        look.bad.sort();
        Ok(look)
    }
}

/// A generation that is fit to be restored.
enum Found {
    Wanted(Box<Generation>),
    /// With these roots, none of which is wanted.
    Other(Vec<String>),
}

/// The first that is fit. In what a provider gave back, what is damaged or unsigned is passed over for an older one; what is
/// passed over is said. If none is fit, the failure is that of the newest.
fn first(
    request: &Request,
    of: StreamOf<'_>,
    store: &StreamStore,
    look: Look,
    interrupt: &Interrupt,
    warnings: &mut Vec<String>,
) -> Result<Option<Found>> {
    let (mut bad, mut failure, mut found) = (look.bad, None, None);
    for id in look.ids {
        match one(request, of, store, id, interrupt) {
            Ok(fit) => {
                bad.retain(|(other, _)| *other > id);
                found = Some(fit);
                break;
            }
            Err(error) if request.from.is_returned() && is_unfit(error.failure().kind()) => {
                bad.push((id, error.message()));
                failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let what = |(id, why): &(GenerationId, String)| format!("generation {id} is passed over: {why}");
    match (found, failure) {
        (None, Some(failure)) => Err(bad.iter().map(what).fold(failure, Failed::with_warning)),
        (found, _) => {
            warnings.extend(bad.iter().rev().map(what));
            Ok(found)
        }
    }
}

const fn is_unfit(kind: Kind) -> bool {
    matches!(kind, Kind::Damaged | Kind::Unsigned)
}

fn one(
    request: &Request,
    of: StreamOf<'_>,
    store: &StreamStore,
    id: GenerationId,
    interrupt: &Interrupt,
) -> Result<Found> {
    let own = part(store, id)?;
    match request.selection.of_roots(&roots(&own)) {
        Some(selection) => Ok(Found::Wanted(Box::new(check(request, of, store, own, selection, interrupt)?))),
        None => Ok(Found::Other(own.stored.manifest.roots)),
    }
}

fn check(
    request: &Request,
    of: StreamOf<'_>,
    store: &StreamStore,
    own: Part,
    selection: Selection,
    interrupt: &Interrupt,
) -> Result<Generation> {
    let id = own.stored.id;
    if own.stored.manifest.source != request.job.source {
        let (found, wanted) = (own.stored.manifest.source.clone(), request.job.source.clone());
        return Err(RestoreError::OtherSource { id, found, wanted }.into());
    }
    let signed_by = match signer(of, store, &own.stored) {
        Ok(sink) => Some(sink),
        Err(error) if error.failure().kind() == Kind::Unsigned && request.allow_unsigned => None,
        Err(error) => return Err(error),
    };
    let base = match &own.stored.manifest.base {
        None => None,
        Some(wanted) => {
            let place = || store.dir().path().to_owned();
            let base = part(store, wanted.id).map_err(|error| match error.failure().kind() {
                Kind::NotFound => RestoreError::NoBase { id, base: wanted.id, place: place() }.into(),
                _ => error,
            })?;
            // The signed digest of the incremental covers its manifest, and that names the base's digest.
            if base.stored.digest != wanted.digest {
                return Err(RestoreError::WrongBase { id, base: wanted.id, place: place() }.into());
            }
            Some(base)
        }
    };
    let (all, lenders, told) = (Selection::default(), Lenders::default(), Told::default());
    let generation =
        Generation { stream: of.name, store: store.clone(), own, base, signed_by, selection: all, lenders, told };
    let generation = generation.select(selection, &request.owners, request.policy)?;
    if request.from.is_returned() {
        generation.check_intact(interrupt)?;
    }
    Ok(generation)
}

fn part(store: &StreamStore, id: GenerationId) -> Result<Part> {
    let directory = store.dir().generation(id);
    let stored = store.get(id).map_err(|error| match (error.kind(), newer(&directory)) {
        // What a later version wrote is not damaged, and there is another remedy.
        (Kind::Damaged, Some(newer)) => Failed::from(newer),
        _ => error.into(),
    })?;
    Ok(Part { directory, stored, owners: Arc::default(), policy: Policy::default(), excerpt: None })
}

fn newer(directory: &Path) -> Option<ManifestError> {
    let mut bytes = Vec::new();
    File::open(directory.join(MANIFEST)).ok()?.take(MAX_MANIFEST_BYTES).read_to_end(&mut bytes).ok()?;
    Manifest::parse(&bytes).err().filter(|error| matches!(error, ManifestError::Newer(_)))
}

/// The sink that signed the receipt for exactly this digest.
fn signer(of: StreamOf<'_>, store: &StreamStore, stored: &Stored) -> Result<String> {
    let unsigned = |why: String| RestoreError::Unsigned { id: stored.id, why };
    let Some(receipt) = &stored.receipt else {
        return Err(unsigned(stored.receipt_ignored.clone().unwrap_or_else(|| "there is none".into())).into());
    };
    let read = |path: PathBuf| std::fs::read(&path).map_err(|error| unsigned(format!("{}: {error}", path.display())));
    let (message, signature) = (read(store.dir().receipt(stored.id))?, read(store.dir().signature(stored.id))?);
    // What was compared with the seal must be what is verified, whoever may write there meanwhile.
    if Receipt::parse(&message).ok().as_ref() != Some(receipt) {
        return Err(unsigned("it changed while it was read".into()).into());
    }
    match keys::verify(&of.stream.transport.signers, &receipt.sink, &message, &signature) {
        Ok(()) => Ok(receipt.sink.clone()),
        Err(error) if matches!(error.kind(), Kind::Unsigned | Kind::NotFound) => {
            Err(unsigned(error.to_string()).into())
        }
        Err(error) => Err(error.into()),
    }
}
