//! Questions and their answers: lent to one person at a time, given back, skipped, undone, settled once, said twice, and there
//! after a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Answer, AnswerError, Filling, NewQuestion, Question, Species, Standing, Store, Why, together};
use super::{number, raw};
use crate::domain::Change;

/// A kill each; `EYESHINE_KILLS` asks for more.
const KILLS: usize = 8;

/// `n` events that are over, and a question about each.
fn asked(store: &Store, n: usize) -> Vec<Uuid> {
    let update = |_| fixture::update(Change::Ended, "red fox", 1);
    let updates: Vec<_> = (0..n).map(update).collect();
    updates.iter().for_each(|it| drop(store.save(it, FEATURIZER).unwrap()));
    let events: Vec<Uuid> = updates.iter().map(|it| it.event.id).collect();
    let questions: Vec<NewQuestion> = events.iter().map(|it| of(*it)).collect();
    assert_eq!(store.ask(&questions).unwrap(), n);
    events
}

fn of(event: Uuid) -> NewQuestion {
    NewQuestion {
        task: "species".into(),
        why: Why::Unsure,
        reason: "unsure between fox and dog".into(),
        blind: false,
        event: Some(event),
        moment: None,
        media: None,
        probability: None,
        alike: Vec::new(),
    }
}

fn lease(store: &Store, labeller: &str, n: usize) -> Vec<Question> {
    store.lease("species", labeller, n, 600.0).unwrap()
}

fn say(it: &Question, labeller: &str, class: &str, key: Option<&str>) -> Answer {
    Answer {
        event: it.event.unwrap(),
        frame: None,
        task: "species".into(),
        labeller: labeller.into(),
        species: vec![Species::of(class)],
        verified: false,
        key: key.map(str::to_owned),
        question: Some(it.id),
    }
}

fn events(questions: &[Question]) -> Vec<Uuid> {
    questions.iter().filter_map(|it| it.event).collect()
}

#[test]
fn a_question_is_lent_to_one_person_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let all = asked(&store, 4);
    assert_eq!(store.ask(&[of(all[0]), of(Uuid::now_v7())]).unwrap(), 0, "open already, and of no event");
    let of_ann = lease(&store, "ann", 2);
    assert_eq!(events(&of_ann), all[..2]);
    assert!(of_ann[0].leased_until.is_some_and(|it| it > Timestamp::now() + SignedDuration::from_secs(590)));
    assert_eq!(events(&lease(&store, "bob", 9)), all[2..]);
    assert_eq!(lease(&store, "cleo", 9), []);
    // Their own come first, however many are asked for.
    assert_eq!(events(&lease(&store, "ann", 9)), all[..2]);
    let state = store.queue_state("species").unwrap();
    assert_eq!((state.open, state.leased, state.by_why["unsure"]), (4, 4, 4));
    assert_eq!(store.queue_state("content").unwrap().open, 0);

    assert!(!store.release(of_ann[0].id, "bob").unwrap(), "it is not theirs");
    assert!(store.release(of_ann[0].id, "ann").unwrap());
    assert!(!store.release(of_ann[0].id, "ann").unwrap());
    assert_eq!(events(&lease(&store, "cleo", 1)), all[..1]);
    // One that ran out is there for the next, and what its holder then says still counts.
    let short = store.lease("species", "ann", 1, 0.02).unwrap();
    assert_eq!(events(&short), all[1..2]);
    thread::sleep(Duration::from_millis(30));
    assert_eq!(events(&lease(&store, "dan", 9)), all[1..2]);
    assert_eq!(store.lease("species", "ann", 9, 600.0).unwrap(), []);
    store.answer(&say(&short[0], "ann", "fox", None)).unwrap();
    assert_eq!(store.queue_state("species").unwrap().open, 3);
    assert_eq!(store.lease("species", "dan", 9, f64::NAN).unwrap(), [], "it was answered");
}

#[test]
fn what_is_skipped_is_for_others_and_what_was_done_can_be_undone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = fixture::open(dir.path());
    let all = asked(&store, 3);
    assert_eq!(store.undo("species", "ann").unwrap(), None);
    let mine = lease(&store, "ann", 2);
    assert!(store.skip(mine[0].id, "ann").unwrap());
    assert!(!store.skip(mine[0].id, "ann").unwrap(), "once is enough");
    assert_eq!(store.queue_state("species").unwrap().skipped, 1);
    assert_eq!(events(&lease(&store, "ann", 9)), all[1..]);
    store.answer(&say(&mine[1], "ann", "fox", None)).unwrap();
    assert_eq!(metrics.asking.answers.with_label_values(&["unsure"]).get(), 1);
    assert_eq!(store.queue_state("species").unwrap().answered_today, 1);
    assert_eq!(store.undo("content", "ann").unwrap(), None, "of another task");

    // The answer first, as it came last, then the skip.
    let undone = store.undo("species", "ann").unwrap().unwrap();
    assert_eq!((&*undone.said, undone.answers), ("fox", 1));
    let back = undone.question.unwrap();
    assert_eq!((back.id, back.leased_until.is_some()), (mine[1].id, true));
    assert_eq!(store.recorded(None, Some(all[1])).unwrap().len(), 1, "it is kept, as taken back");
    assert!(store.taught("species", FEATURIZER, None).unwrap().events.is_empty());
    assert_eq!(store.queue_state("species").unwrap().answered_today, 0);
    let undone = store.undo("species", "ann").unwrap().unwrap();
    assert_eq!((&*undone.said, undone.answers, undone.question.unwrap().id), ("", 0, mine[0].id));
    assert_eq!(store.undo("species", "ann").unwrap(), None);
    assert_eq!(events(&lease(&store, "ann", 9)), all);

    // What somebody else has by now is not given back to two.
    store.skip(mine[0].id, "ann").unwrap();
    assert_eq!(events(&lease(&store, "bob", 1)), all[..1]);
    assert_eq!(store.undo("species", "ann").unwrap().unwrap().question, None);
    assert_eq!(events(&lease(&store, "ann", 9)), all[1..]);
}

#[test]
fn what_was_done_last_is_what_is_undone_whether_somebody_asked_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let all = asked(&store, 6);
    let mine = lease(&store, "ann", 3);
    let undone = || {
        let it = store.undo("species", "ann").unwrap().unwrap();
        (it.said, it.answers, it.question.map(|it| it.id))
    };
    store.answer(&say(&mine[0], "ann", "fox", None)).unwrap();
    // A question of yesterday, which is gone.
    store.answer(&say(&mine[1], "ann", "hen", None)).unwrap();
    raw(dir.path()).execute("DELETE FROM questions WHERE id = ?1", [mine[1].id.as_bytes()]).unwrap();
    // On the page of an event.
    let unasked = Answer { event: all[3], question: None, ..say(&mine[2], "ann", "badger", None) };
    store.answer(&unasked).unwrap();
    // Of a question, and of others that look like it.
    let name = together();
    let key = |nth: usize| Some(format!("{name}-{nth}"));
    let others = [4, 5].map(|it| Answer { event: all[it], key: key(it), ..unasked.clone() });
    let both = [Answer { key: key(2), ..say(&mine[2], "ann", "vole", None) }, others[0].clone(), others[1].clone()];
    let missing = Answer { event: Uuid::now_v7(), key: key(9), ..unasked.clone() };
    let error = store.answer_all(&[both[0].clone(), missing]).unwrap_err();
    assert!(
        matches!(error, AnswerError::NoEvent(_)) && store.said_together(&name, "ann").unwrap().is_none(),
        "{error}"
    );
    assert_eq!(store.answer_all(&both).unwrap().len(), 3);
    assert_eq!(store.queue_state("species").unwrap().answered_today, 2, "what was asked is answered");
    assert_eq!(store.said_together(&name, "ann").unwrap(), Some(("vole".into(), 3)));
    assert_eq!(store.take_back_together(&name, "bob").unwrap(), 0, "it is not theirs");

    assert_eq!(undone(), ("badger".into(), 3, Some(mine[2].id)), "all that was said together");
    assert_eq!(undone(), ("badger".into(), 1, None));
    assert_eq!(undone(), ("hen".into(), 1, None));
    // One that somebody else answered since is taken back, and not asked again.
    store.answer(&say(&mine[0], "bob", "dog", None)).unwrap();
    assert_eq!(undone(), ("fox".into(), 1, None));
    assert_eq!(store.undo("species", "ann").unwrap(), None);
    assert_eq!(store.recorded(Some("bob"), None).unwrap()[0].standing, Standing::Holds);
}

#[test]
fn what_was_named_together_is_taken_back_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let all = asked(&store, 2);
    let name = together();
    let question = &lease(&store, "ann", 1)[0];
    let answer = |nth: usize| Answer {
        event: all[nth],
        question: None,
        ..say(question, "ann", "fox", Some(&format!("{name}-{nth}")))
    };
    store.answer_all(&[answer(0), answer(1)]).unwrap();
    for wrong in ["", "all-", &name[..20], &format!("{name}-0")] {
        assert_eq!(store.take_back_together(wrong, "ann").unwrap(), 0, "{wrong}");
    }
    assert_eq!(store.take_back_together(&name, "ann").unwrap(), 2);
    assert_eq!(
        (store.said_together(&name, "ann").unwrap(), store.take_back_together(&name, "ann").unwrap()),
        (None, 0)
    );
}

#[test]
fn whatever_way_an_event_is_answered_or_goes_nobody_is_asked_about_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = fixture::open(dir.path());
    let all = asked(&store, 4);
    let questions = lease(&store, "ann", 9);
    // By a command, by the frame, and erased.
    let unasked = Answer { question: None, ..say(&questions[0], "bob", "fox", None) };
    store.answer(&unasked).unwrap();
    assert_eq!(metrics.asking.answers.with_label_values(&["unasked"]).get(), 1);
    assert_eq!(events(&lease(&store, "ann", 9)), all[1..]);
    let state = |nth: usize| -> String {
        let sql = "SELECT state FROM questions WHERE id = ?1";
        raw(dir.path()).query_row(sql, [questions[nth].id.as_bytes()], |row| row.get(0)).unwrap()
    };
    assert_eq!(state(0), "elsewhere");
    raw(dir.path()).execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let eraser = super::super::Eraser::open(dir.path(), &fixture::config()).unwrap();
    eraser.delete(&BTreeSet::from([all[1]])).unwrap();
    assert_eq!(events(&lease(&store, "ann", 9)), all[2..]);
    // What is taken back is asked again, whoever asked for it; one that was answered unasked is not.
    store.answer(&say(&questions[2], "ann", "fox", None)).unwrap();
    assert_eq!(state(2), "answered");
    store.withdraw(None, None).unwrap();
    assert_eq!((state(0), state(2)), ("elsewhere".into(), "open".into()));
    // What they still have comes before what is open again.
    assert_eq!(events(&lease(&store, "ann", 9)), [all[3], all[2]]);
    assert_eq!(store.ask(&[of(all[0])]).unwrap(), 1, "nothing holds of it any more");
}

#[test]
fn an_answer_said_again_is_the_same_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = fixture::open(dir.path());
    asked(&store, 2);
    let questions = lease(&store, "ann", 2);
    let first = store.answer(&say(&questions[0], "ann", "fox", Some("k-1"))).unwrap();
    assert!(!first.again && first.superseded.is_empty() && first.suggested == Some((0, "red fox".into())));
    let later = store.answer(&say(&questions[0], "bob", "dog", Some("k-1"))).unwrap();
    assert!(!later.again && later.superseded == ["fox"], "another person's keys are others");
    let error = store.answer(&say(&questions[0], "ann", "badger", Some("k-1"))).unwrap_err();
    assert!(matches!(error, AnswerError::KeyUsed(_)), "what differs is not lost in silence: {error}");
    let again = store.answer(&say(&questions[0], "ann", "fox", Some("k-1"))).unwrap();
    assert_eq!(
        (again.id, again.again, &again.superseded, &again.suggested),
        (first.id, true, &first.superseded, &first.suggested)
    );
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM answers"), 2);
    assert_eq!(metrics.asking.answers.with_label_values(&["unsure"]).get(), 2);
    // Two connections, one key: one answer.
    let ids: BTreeSet<Uuid> = thread::scope(|scope| {
        let send = || {
            let beside = Store::open_beside(dir.path(), &fixture::config()).unwrap();
            beside.answer(&say(&questions[1], "ann", "fox", Some("k-2"))).unwrap().id
        };
        let sent: Vec<_> = (0..6).map(|_| scope.spawn(send)).collect();
        sent.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1);
    for wrong in ["", "with space", "ü", &"x".repeat(65)] {
        assert!(
            matches!(store.answer(&say(&questions[1], "ann", "fox", Some(wrong))), Err(AnswerError::Key)),
            "{wrong:?}"
        );
    }
}

#[test]
fn what_looks_alike_stands_beside_a_question_until_it_is_answered_or_erased() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let events = asked(&store, 4);
    let update = fixture::update(Change::Ended, "lynx", 1);
    store.save(&update, FEATURIZER).unwrap();
    let alike = vec![events[2], events[0], Uuid::now_v7(), events[3]];
    assert_eq!(store.ask(&[NewQuestion { alike, ..of(update.event.id) }]).unwrap(), 1);
    let mut open = store.open_questions("species").unwrap();
    let question = open.pop().unwrap().id;
    assert_eq!(store.beside(question).unwrap(), [events[2], events[0], events[3]], "of another nothing is known");
    store.answer(&say(&open[0], "ann", "lynx", None)).unwrap();
    assert_eq!(store.beside(question).unwrap(), [events[2], events[3]]);
    let db = rusqlite::Connection::open(dir.path().join("eyeshine.db")).unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    db.execute("DELETE FROM events WHERE id = ?1", [events[2].as_bytes()]).unwrap();
    assert_eq!(store.beside(question).unwrap(), [events[3]]);
    assert_eq!(store.beside(Uuid::nil()).unwrap(), Vec::<Uuid>::new());
}

#[test]
fn a_random_question_hides_the_guess_waits_a_week_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let all = asked(&store, 2);
    let update = fixture::update(Change::Ended, "badger", 1);
    store.save(&update, FEATURIZER).unwrap();
    let random = NewQuestion {
        why: Why::Random,
        blind: true,
        probability: Some(0.25),
        reason: "random check".into(),
        ..of(update.event.id)
    };
    let now = Timestamp::now();
    let filling = Filling { day: now, up_to: now, events: 4, blanks: 3, moments: 7.5 };
    assert_eq!(store.fill("species", &filling, &[random]).unwrap(), 1);
    let last = store.last_filling("species").unwrap().unwrap();
    assert_eq!((last.events, last.blanks, last.moments), (4, 3, 7.5));
    assert_eq!(last.up_to.as_microsecond(), now.as_microsecond());
    let before = now - SignedDuration::from_hours(1);
    let checks = store.checks("species", before).unwrap();
    assert_eq!((checks.len(), checks[0].of, checks[0].probability), (1, 4.0, 0.25));
    assert_eq!((checks[0].guess.as_deref(), checks[0].said.len()), (Some("badger"), 0));

    // A new day takes back what was chosen, but for what is lent, what was drawn, and the mark of who skipped.
    let lent = lease(&store, "ann", 1);
    let skipped = lease(&store, "bob", 1);
    store.skip(skipped[0].id, "bob").unwrap();
    let tomorrow = now + SignedDuration::from_hours(24);
    assert_eq!(store.expire("species", tomorrow).unwrap(), 1);
    let open: Vec<Uuid> = store.open_questions("species").unwrap().iter().filter_map(|it| it.event).collect();
    assert_eq!(open, [all[0], update.event.id]);
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM questions WHERE state = 'expired'"), 1);
    assert!(
        !store.askable("species", (before, tomorrow), false, 9).unwrap().contains(&all[1]),
        "somebody would not answer it"
    );

    store.release(lent[0].id, "ann").unwrap();
    store.expire("species", tomorrow).unwrap();
    let drawn = lease(&store, "ann", 9);
    // What is said unasked, with the guess before them, neither settles nor answers it.
    store.answer(&Answer { question: None, ..say(&drawn[0], "bob", "badger", None) }).unwrap();
    assert!(store.checks("species", before).unwrap()[0].said.is_empty());
    assert_eq!(events(&lease(&store, "ann", 9)), [update.event.id]);
    let given = store.answer(&say(&drawn[0], "ann", "fox", None)).unwrap();
    assert_eq!((drawn.len(), given.suggested), (1, None));
    assert_eq!(store.checks("species", before).unwrap()[0].said, ["fox"]);
    // Who looks again may say otherwise; without the answer to the question nothing is said.
    store.answer(&Answer { question: None, ..say(&drawn[0], "bob", "marten", None) }).unwrap();
    assert_eq!(store.checks("species", before).unwrap()[0].said, ["marten"]);
    store.withdraw(Some("ann"), None).unwrap();
    assert!(store.checks("species", before).unwrap()[0].said.is_empty());
    // One that is drawn is asked, answered before or not.
    let drawn = NewQuestion { why: Why::Random, probability: Some(1.0), ..of(all[0]) };
    store.withdraw(None, None).unwrap();
    let asked = lease(&store, "ann", 9);
    asked.iter().for_each(|it| drop(store.answer(&say(it, "ann", "fox", None)).unwrap()));
    store.answer(&Answer { event: all[0], question: None, ..say(&asked[0], "ann", "fox", None) }).unwrap();
    assert_eq!(store.ask(&[of(all[0]), drawn]).unwrap(), 1);
}

/// Real threads and real processes, as fast as they can.
#[test]
fn no_two_people_are_lent_the_same_question() {
    if let Some(state) = fixture::role() {
        let (state, who) = state.split_once('|').unwrap();
        return lent_to(Path::new(state), who).into_iter().for_each(|it| println!("lent {it} {who}"));
    }
    let test = concat!(module_path!(), "::no_two_people_are_lent_the_same_question");
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    asked(&store, 120);
    let children: Vec<_> = (0..2)
        .map(|nth| {
            let mut command = Command::new("env");
            let role = format!("{}|child{nth}", dir.path().display());
            fixture::play(&mut command, &std::env::current_exe().unwrap(), test, &role);
            command.arg("--nocapture").stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut lent: Vec<(Uuid, String)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|nth| {
                let (who, dir) = (format!("thread{nth}"), dir.path());
                scope.spawn(move || lent_to(dir, &who).into_iter().map(|it| (it, who.clone())).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    for child in children {
        let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let words = said.lines().filter_map(|it| it.split_once("lent ")?.1.split_once(' '));
        lent.extend(words.map(|(id, who)| (id.parse().unwrap(), who.to_owned())));
    }
    assert_eq!(lent.len(), 120, "each was lent");
    assert_eq!(lent.iter().map(|it| it.0).collect::<BTreeSet<_>>().len(), 120, "and none twice");
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    lent.iter().for_each(|it| *by.entry(&it.1).or_default() += 1);
    println!("{by:?}");
    assert!(by.len() >= 3, "one got them all: nothing was tried: {by:?}");
}

/// What one person is lent until nothing is left.
fn lent_to(state: &Path, who: &str) -> Vec<Uuid> {
    let store = Store::open_beside(state, &fixture::config()).unwrap();
    let mut lent: Vec<Uuid> = Vec::new();
    loop {
        let mine = lease(&store, who, lent.len() + 1);
        let new = mine.iter().map(|it| it.id).filter(|it| !lent.contains(it)).collect::<Vec<_>>();
        if new.is_empty() {
            return lent;
        }
        lent.extend(new);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_sent_again_changes_nothing() {
    if let Some(state) = fixture::role() {
        return answer_for_ever(Path::new(&state));
    }
    let test = concat!(module_path!(), "::what_was_acknowledged_is_there_after_a_kill_and_sent_again_changes_nothing");
    let dir = tempfile::tempdir().unwrap();
    let kills = std::env::var("EYESHINE_KILLS").map_or(KILLS, |it| it.parse().unwrap());
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut acknowledged = 0;
    for kill in 0..kills {
        let mut command = Command::new("env");
        fixture::play(&mut command, &std::env::current_exe().unwrap(), test, dir.path().to_str().unwrap());
        let mut child = command.arg("--nocapture").stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (first, answers) = bounded(1);
        let lines = thread::spawn(move || {
            let tell = |line: &String| {
                if line.starts_with("acknowledged") {
                    // Full: the first was told already.
                    let _ = first.try_send(());
                }
            };
            BufReader::new(out).lines().map_while(Result::ok).inspect(tell).collect::<Vec<String>>()
        });
        // Half of the kills fall anywhere, the start too; the others come after the first answer.
        if kill % 2 == 1 {
            answers.recv_timeout(Duration::from_secs(60)).expect("the child answers nothing");
        }
        thread::sleep(Duration::from_millis(rng.random_range(5..400)));
        child.kill().unwrap();
        child.wait().unwrap();
        let lines = lines.join().unwrap();
        let said: Vec<(Uuid, &str)> = lines
            .iter()
            .filter_map(|it| it.split_once("acknowledged ")?.1.split_once(' '))
            .filter(|(id, _)| id.len() == 36)
            .map(|(id, key)| (id.parse().unwrap(), key))
            .collect();
        acknowledged += said.len();
        if !dir.path().join("eyeshine.db").exists() {
            continue;
        }
        let (store, _) = fixture::open(dir.path());
        for (question, key) in &said {
            let it = store.question(*question).unwrap().unwrap();
            let n = number(&raw(dir.path()), "SELECT count(*) FROM answers");
            let again = store.answer(&say(&it, "ann", "fox", Some(key.trim()))).unwrap();
            assert!(again.again, "kill {kill}: {key} is lost");
            assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM answers"), n);
            assert_eq!(store.taught("species", FEATURIZER, None).unwrap().classes.len(), 1, "all say fox");
        }
        // Settled with its answer, or neither.
        let torn = "SELECT count(*) FROM questions q WHERE (state = 'answered')
                    <> EXISTS (SELECT 1 FROM answers a WHERE a.question = q.id)";
        assert_eq!(number(&raw(dir.path()), torn), 0, "kill {kill}");
    }
    println!("{acknowledged} answers acknowledged");
    assert!(acknowledged >= kills / 2, "nothing was tried");
}

/// The child: a person who answers question after question.
fn answer_for_ever(state: &Path) {
    let (store, _) = fixture::open(state);
    loop {
        asked(&store, 4);
        for it in lease(&store, "ann", 99) {
            let key = Uuid::now_v7().to_string();
            store.answer(&say(&it, "ann", "fox", Some(&key))).unwrap();
            println!("\nacknowledged {} {key} ", it.id);
        }
    }
}
