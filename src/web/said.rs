//! What somebody says in a form: the fields, what is understood of them, and taking it down.

use axum::http::StatusCode;
use axum::response::Response;
use uuid::Uuid;

use super::App;
use super::api::on_disk;
use super::names::{self, Offered};
use super::who::Who;
use crate::infer::head::BLANK;
use crate::observe::store::{
    Answer, AnswerError, ClassNamed, FrameName, LifeStage, MomentAnswer, Recorded, Sex, Species, Standing, Store,
    StoreError,
};

/// Species of one answer, at most.
const MAX_SPECIES: usize = 20;
/// Animals of one species in one event, at most: more is a slip of the finger.
const MAX_COUNT: u32 = 10_000;
/// Characters of a client's key.
const MAX_KEY: usize = 64;

/// The fields of a form, in their order.
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|it| it.0 == name).map_or("", |it| it.1.trim())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |it| it.0 == name).map(|it| it.1.trim())
    }

    pub(super) fn id(&self, name: &str) -> Result<Option<Uuid>, String> {
        match self.get(name) {
            "" => Ok(None),
            text => Uuid::try_parse(text).map(Some).map_err(|_| format!("{name}: that is no identity")),
        }
    }

    /// The client's own key: the same again is the same answer.
    pub(super) fn key(&self) -> Result<Option<String>, String> {
        match self.get("key") {
            "" => Ok(None),
            key if key.len() <= MAX_KEY && key.bytes().all(|it| it.is_ascii_graphic()) => Ok(Some(key.into())),
            _ => Err(format!("key: at most {MAX_KEY} visible ASCII characters")),
        }
    }

    /// What it shows: a button's class, or the rows of species with what is known of each.
    pub(super) fn species(&self, task: &str, offered: &[Offered]) -> Result<Vec<Species>, String> {
        let class = self.get("class");
        if !class.is_empty() {
            // A button's name is one of ours. What is known of the first row goes with it, but for what is not there.
            let class = names::meant(class, task, offered, true)?;
            if class == BLANK {
                return Ok(vec![Species::of(&class)]);
            }
            let (count, sex, stage) = (self.get("count"), self.get("sex"), self.get("life_stage"));
            let (count, sex, life_stage) = (count_of(count)?, sex_of(sex)?, stage_of(stage)?);
            return Ok(vec![Species { class, count, sex, life_stage }]);
        }
        let new = !self.get("new_name").is_empty();
        let mut details = self.all("count").zip(self.all("sex")).zip(self.all("life_stage"));
        check_number(self.all("species").count().max(1))?;
        let mut all: Vec<Species> = Vec::new();
        for name in self.all("species") {
            let ((count, sex), stage) = details.next().unwrap_or((("", ""), ""));
            if name.is_empty() {
                continue;
            }
            let class = names::meant(name, task, offered, new)?;
            all.push(Species { class, count: count_of(count)?, sex: sex_of(sex)?, life_stage: stage_of(stage)? });
        }
        if all.is_empty() {
            return Err("say what it shows".into());
        }
        check(&all).map_err(|(_, field, error)| if field == "count" { format!("count: {error}") } else { error })?;
        Ok(all)
    }
}

/// Whether so many species can be said at once.
pub(super) fn check_number(n: usize) -> Result<(), String> {
    let fits = (1..=MAX_SPECIES).contains(&n);
    if fits { Ok(()) } else { Err(format!("species: must be a list of 1 to {MAX_SPECIES}, has {n}")) }
}

/// Whether that can be said, on a page or by a program; else of which species and which field of it what is wrong, no field: of
/// all of them.
pub(super) fn check(all: &[Species]) -> Result<(), (usize, &'static str, String)> {
    for (nth, it) in all.iter().enumerate() {
        if all[..nth].iter().any(|other| other.class == it.class) {
            return Err((nth, "class", format!("{:?} stands there twice: say how many with count", it.class)));
        }
        if it.count.is_some_and(|it| !(1..=MAX_COUNT).contains(&it)) {
            return Err((nth, "count", not_counted()));
        }
        if it.class == BLANK && (it.count.is_some() || it.sex.is_some() || it.life_stage.is_some()) {
            return Err((nth, "class", format!("{BLANK} has no count, sex and life stage")));
        }
        if it.class == BLANK && all.len() > 1 {
            return Err((nth, "", format!("what shows anything else is not {BLANK}")));
        }
    }
    Ok(())
}

fn not_counted() -> String {
    format!("must be between 1 and {MAX_COUNT}, or left out")
}

fn count_of(text: &str) -> Result<Option<u32>, String> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("count: {}", not_counted())),
    }
}

fn sex_of(text: &str) -> Result<Option<Sex>, String> {
    match text {
        "" => Ok(None),
        "female" => Ok(Some(Sex::Female)),
        "male" => Ok(Some(Sex::Male)),
        _ => Err("sex: female or male".into()),
    }
}

fn stage_of(text: &str) -> Result<Option<LifeStage>, String> {
    match text {
        "" => Ok(None),
        "adult" => Ok(Some(LifeStage::Adult)),
        "subadult" => Ok(Some(LifeStage::Subadult)),
        "juvenile" => Ok(Some(LifeStage::Juvenile)),
        _ => Err("life stage: adult, subadult or juvenile".into()),
    }
}

/// Why it was not taken down.
pub(super) type NotTaken = (StatusCode, String);

pub(super) fn invalid(why: String) -> NotTaken {
    (StatusCode::UNPROCESSABLE_ENTITY, why)
}

/// The task that a form or query names, or else the first.
pub(super) fn task(app: &App, named: &str) -> Result<String, NotTaken> {
    match app.teach.tasks.iter().find(|it| named.is_empty() || *it == named) {
        Some(it) => Ok(it.clone()),
        None => Err((StatusCode::NOT_FOUND, format!("no task is called {named:?} here"))),
    }
}

/// What is offered of a task.
pub(super) async fn offered(app: &App, task: &str) -> Result<(Vec<ClassNamed>, Vec<Offered>), Response> {
    let (store, of) = (app.store.clone(), task.to_owned());
    let named = on_disk(app, move || store.classes_named(&of)).await?;
    let offered = names::offered(&named, &app.names, &app.contracts.taxonomy);
    Ok((named, offered))
}

/// What was taken down.
pub(super) struct Taken {
    /// What others had said that holds no longer.
    pub(super) replaced: Vec<String>,
}

/// Takes down what a form says of a question, or of an event without one.
pub(super) async fn take_down(app: &App, who: &Who, fields: &Fields) -> Result<Result<Taken, NotTaken>, Response> {
    let task = match task(app, fields.get("task")) {
        Ok(it) => it,
        Err(why) => return Ok(Err(why)),
    };
    let (_, offered) = offered(app, &task).await?;
    let parsed = (|| {
        let species = fields.species(&task, &offered)?;
        let frame = fields.id("frame")?.filter(|_| !fields.get("only_frame").is_empty());
        Ok((species, fields.key()?, fields.id("question")?, fields.id("event")?, frame))
    })();
    let (species, key, question, event, frame) = match parsed.map_err(invalid) {
        Ok(it) => it,
        Err(why) => return Ok(Err(why)),
    };
    let (store, labeller) = (app.store.clone(), who.name.clone());
    let taken = on_disk(app, move || {
        let given = match (event, question) {
            (Some(event), question) => {
                let frame = frame.map(FrameName::Picture);
                let before = of_others(&store, event, &task, &labeller)?;
                let answer = Answer { event, frame, task, labeller, species, verified: false, key, question };
                store.answer(&answer).map(|_| Some((before, answer)))
            }
            (None, Some(question)) => {
                store.answer_moment(&MomentAnswer { question, key, labeller, species }).map(|_| None)
            }
            (None, None) => return Ok(Err(invalid("of what? Neither an event nor a question is named".into()))),
        };
        let before = match not_taken(given)? {
            Ok(it) => it,
            Err(why) => return Ok(Err(why)),
        };
        let replaced = match before {
            Some((before, it)) if !before.is_empty() => {
                let now = of_others(&store, it.event, &it.task, &it.labeller)?;
                let gone = before.iter().filter(|it| !now.contains(it));
                gone.map(|it| format!("{}’s {}", it.labeller, it.classes)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Ok(Taken { replaced }))
    });
    taken.await
}

/// What holds of an event, and others said.
fn of_others(store: &Store, event: Uuid, task: &str, labeller: &str) -> Result<Vec<Recorded>, StoreError> {
    let mut all = store.recorded(None, Some(event))?;
    all.retain(|it| it.standing == Standing::Holds && it.task == task && it.labeller != labeller);
    Ok(all)
}

/// What the store cannot do goes one way, what cannot be taken down another.
pub(super) fn not_taken<T>(given: Result<T, AnswerError>) -> Result<Result<T, NotTaken>, StoreError> {
    match given {
        Ok(it) => Ok(Ok(it)),
        Err(AnswerError::Store(error)) => Err(error),
        Err(it @ AnswerError::KeyUsed(_)) => Ok(Err((StatusCode::CONFLICT, it.to_string()))),
        Err(other) => Ok(Err((StatusCode::NOT_FOUND, other.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn species(fields: &[(&str, &str)]) -> Result<Vec<Species>, String> {
        let offered = [("red fox", "Vulpes vulpes"), ("roe deer", "Capreolus capreolus")];
        let offered: Vec<Offered> =
            offered.iter().map(|it| Offered { name: it.0.into(), scientific_name: it.1.into() }).collect();
        let fields = fields.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        Fields(fields).species("species", &offered)
    }

    #[test]
    fn the_page_offers_as_many_species_of_one_event_as_are_taken() {
        assert!(include_str!("assets/review.js").contains(&format!("const MAX_SPECIES = {MAX_SPECIES};")));
    }

    #[test]
    fn several_species_are_said_with_what_is_known_of_each() {
        let said = species(&[
            ("species", "Vulpes vulpes"),
            ("count", "2"),
            ("sex", "female"),
            ("life_stage", ""),
            ("species", "roe deer"),
            ("count", ""),
            ("sex", ""),
            ("life_stage", "juvenile"),
        ]);
        let said = said.unwrap();
        assert_eq!(said[0], Species { count: Some(2), sex: Some(Sex::Female), ..Species::of("red fox") });
        assert_eq!(said[1], Species { life_stage: Some(LifeStage::Juvenile), ..Species::of("roe deer") });
        let row = [("species", ""), ("count", "3"), ("sex", "female"), ("life_stage", "")];
        let button = |class| species(&[&row[..], &[("count", "7"), ("class", class)]].concat()).unwrap();
        let hen = Species { count: Some(3), sex: Some(Sex::Female), ..Species::of("hen") };
        assert_eq!((button("hen"), button("blank")), (vec![hen], vec![Species::of("blank")]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_a_sentence() {
        let row = |name: &'static str, count: &'static str| {
            [("species", name), ("count", count), ("sex", ""), ("life_stage", "")]
        };
        for (fields, word) in [
            (row("", "").to_vec(), "say what"),
            (row("red fox", "0").to_vec(), "between 1"),
            (row("red fox", "many").to_vec(), "between 1"),
            (row("red fox", "10001").to_vec(), "between 1"),
            (row("blank", "2").to_vec(), "no count"),
            (row("fxo", "").to_vec(), "fxo"),
            ([row("red fox", ""), row("Vulpes vulpes", "")].concat(), "twice"),
            ([row("red fox", ""), row("blank", "")].concat(), "not blank"),
            (vec![("species", "red fox"), ("count", ""), ("sex", "both"), ("life_stage", "")], "female or male"),
        ] {
            let refused = species(&fields).unwrap_err();
            assert!(refused.contains(word), "{fields:?}: {refused}");
        }
    }
}
