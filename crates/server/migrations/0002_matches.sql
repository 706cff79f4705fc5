-- A match has no stored status: canceled, closed (its time has come), full and
-- open follow from three columns and the clock, so they cannot contradict each
-- other.
--
-- `joined` repeats count(participants) on purpose. It makes the row of the
-- match the one thing joins of that match compete for, and the check on it is
-- what keeps a match from being oversold whatever the statements above do.
-- The fill factor leaves room so that counting up stays a heap-only update.
CREATE TABLE matches (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    location    text        NOT NULL CHECK (length(location) BETWEEN 1 AND 255),
    starts_at   timestamptz NOT NULL,
    max_players integer     NOT NULL CHECK (max_players BETWEEN 2 AND 22),
    joined      integer     NOT NULL DEFAULT 0,
    canceled_at timestamptz,
    created_by  bigint      CONSTRAINT matches_created_by_fkey
                            REFERENCES users (id) ON DELETE SET NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT matches_joined_within_seats CHECK (joined BETWEEN 0 AND max_players)
) WITH (fillfactor = 70);

CREATE INDEX matches_starts_at ON matches (starts_at);
CREATE INDEX matches_created_by ON matches (created_by);

-- A user row cannot go while participations point at it: deleting an account
-- must give the seats back first, and a join racing it makes it start again.
-- `join_key` is the Idempotency-Key the join came with: the same key gets the
-- same answer when the first one was lost on the way.
CREATE TABLE participants (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    match_id  bigint      NOT NULL CONSTRAINT participants_match_id_fkey
                          REFERENCES matches (id) ON DELETE CASCADE,
    user_id   bigint      NOT NULL CONSTRAINT participants_user_id_fkey
                          REFERENCES users (id),
    join_key  text        CHECK (length(join_key) BETWEEN 1 AND 128),
    joined_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT participants_once UNIQUE (match_id, user_id)
);

CREATE INDEX participants_user_id ON participants (user_id);
