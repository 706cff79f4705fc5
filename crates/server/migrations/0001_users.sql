-- One row a person who has signed in at least once, found again by the
-- subject of the user pool. Mail addresses come from a verified ID token and
-- are shown to nobody but the person and administrators.
CREATE TABLE users (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cognito_sub    text        NOT NULL CONSTRAINT users_cognito_sub_key UNIQUE
                               CHECK (length(cognito_sub) BETWEEN 1 AND 128),
    email          text        NOT NULL CHECK (length(email) BETWEEN 3 AND 320),
    email_verified boolean     NOT NULL,
    nickname       text        NOT NULL CHECK (length(nickname) BETWEEN 1 AND 30),
    role           text        NOT NULL DEFAULT 'USER' CHECK (role IN ('USER', 'ADMIN')),
    rank           text        NOT NULL DEFAULT 'BEGINNER'
                               CHECK (rank IN ('BEGINNER', 'INTERMEDIATE', 'MASTER')),
    image_url      text        CHECK (length(image_url) BETWEEN 1 AND 2048),
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
