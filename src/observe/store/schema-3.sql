-- Schema 3.

-- Where a head is sure of a higher taxon, and not of which of its taught classes: the rank of what stands in `class`.
ALTER TABLE observations ADD COLUMN rank TEXT;  -- genus, family, order; null: a class as it was taught
