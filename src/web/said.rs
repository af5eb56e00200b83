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
    Answer, AnswerError, FrameName, LifeStage, MomentAnswer, Recorded, Sex, Species, Standing, Store, StoreError,
};

/// Species of one answer, at most.
const MAX_SPECIES: usize = 10;
const MAX_COUNT: u32 = 100_000;
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
        let mut all: Vec<Species> = Vec::new();
        for name in self.all("species").take(MAX_SPECIES) {
            let ((count, sex), stage) = details.next().unwrap_or((("", ""), ""));
            if name.is_empty() {
                continue;
            }
            let class = names::meant(name, task, offered, new)?;
            if all.iter().any(|it| it.class == class) {
                return Err(format!("{class} stands there twice: say how many instead"));
            }
            all.push(Species { class, count: count_of(count)?, sex: sex_of(sex)?, life_stage: stage_of(stage)? });
        }
        if all.is_empty() {
            return Err("say what it shows".into());
        }
        if all.len() > 1 && all.iter().any(|it| it.class == BLANK) {
            return Err(format!("what shows several is not {BLANK}"));
        }
        Ok(all)
    }
}

fn count_of(text: &str) -> Result<Option<u32>, String> {
    match text {
        "" => Ok(None),
        text => match text.parse() {
            Ok(count @ 1..=MAX_COUNT) => Ok(Some(count)),
            _ => Err(format!("count: a number between 1 and {MAX_COUNT}")),
        },
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

fn invalid(why: String) -> NotTaken {
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
pub(super) async fn offered(app: &App, task: &str) -> Result<(Vec<String>, Vec<Offered>), Response> {
    let (store, of) = (app.store.clone(), task.to_owned());
    let named = on_disk(app, move || store.classes_named(&of, names::MAX_BUTTONS)).await?;
    let offered = names::offered(&named, &app.names, &app.contracts.taxonomy);
    Ok((named, offered))
}

/// Takes down what a form says of a question, or of an event without one; what others had said that holds no longer.
pub(super) async fn take_down(
    app: &App,
    who: &Who,
    fields: &Fields,
) -> Result<Result<Vec<String>, NotTaken>, Response> {
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
    on_disk(app, move || {
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
        match given {
            Ok(Some((before, it))) if !before.is_empty() => {
                let now = of_others(&store, it.event, &it.task, &it.labeller)?;
                let gone = before.iter().filter(|it| !now.contains(it));
                Ok(Ok(gone.map(|it| format!("{}’s {}", it.labeller, it.classes)).collect()))
            }
            Ok(_) => Ok(Ok(Vec::new())),
            Err(AnswerError::Store(error)) => Err(error),
            Err(it @ AnswerError::KeyUsed(_)) => Ok(Err((StatusCode::CONFLICT, it.to_string()))),
            Err(other) => Ok(Err((StatusCode::NOT_FOUND, other.to_string()))),
        }
    })
    .await
}

/// What holds of an event, and others said.
fn of_others(store: &Store, event: Uuid, task: &str, labeller: &str) -> Result<Vec<Recorded>, StoreError> {
    let mut all = store.recorded(None, Some(event))?;
    all.retain(|it| it.standing == Standing::Holds && it.task == task && it.labeller != labeller);
    Ok(all)
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
