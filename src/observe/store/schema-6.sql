-- Schema 6: what was drawn at random is asked, whatever else is said of it.

-- Whatever way an event is answered, it is not asked about any more; and again where that answer is taken back, if it was asked
-- for. What was drawn at random only its own answer settles: of what people label of their own accord nothing can be told of all.
DROP TRIGGER questions_answered;
CREATE TRIGGER questions_answered AFTER INSERT ON answers BEGIN
    UPDATE questions SET settled_us = NEW.given_us, leased_to = NULL, leased_until_us = NULL,
        state = CASE WHEN id IS NEW.question THEN 'answered' ELSE 'elsewhere' END
    WHERE event = NEW.event AND task = NEW.task AND state = 'open' AND (probability IS NULL OR id IS NEW.question);
END;
