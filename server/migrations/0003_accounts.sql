-- Whose drives there are, which programs they let in, and where they are signed in. Only the
-- database of the data directory itself is asked; in those below `accounts/` these tables
-- mean nothing.

CREATE TABLE accounts (
    -- What clients know as `user_id`.
    id        TEXT PRIMARY KEY,
    -- The data directory itself is its drive; others have theirs in `accounts/ID/` below it.
    is_first  INTEGER NOT NULL DEFAULT 0,
    -- Whose it is or was, in lower case. NULL: nobody's so far.
    name      TEXT UNIQUE,
    -- Argon2id, as a PHC string. NULL: nobody can sign in.
    password  TEXT,
    created   BIGINT NOT NULL,
    CHECK (name IS NOT NULL OR password IS NULL)
) WITHOUT ROWID;

CREATE UNIQUE INDEX accounts_first ON accounts (is_first) WHERE is_first = 1;

-- The drive that was there before there were accounts.
INSERT INTO accounts (id, is_first, created)
VALUES ('amzn1.account.A' || hex(randomblob(16)), 1, CAST(strftime('%s', 'now') AS INTEGER) * 1000);

-- Where a client may have users sent back to. `:*` in place of a port is any port.
CREATE TABLE redirects (
    client  TEXT NOT NULL REFERENCES clients (id),
    uri     TEXT NOT NULL,
    PRIMARY KEY (client, uri)
) WITHOUT ROWID;

-- A user's leave for a client. All tokens that came of it go with it.
CREATE TABLE grants (
    id       TEXT PRIMARY KEY,
    client   TEXT NOT NULL REFERENCES clients (id),
    account  TEXT NOT NULL REFERENCES accounts (id),
    -- Separated by spaces.
    scopes   TEXT NOT NULL,
    created  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX grants_account ON grants (account);

-- What was let in before has the first drive, and may do what it could.
INSERT INTO grants (id, client, account, scopes, created)
SELECT lower(hex(randomblob(16))), c.id, a.id, 'clouddrive:read_all clouddrive:write', c.created
FROM clients c JOIN accounts a;

ALTER TABLE refresh_tokens RENAME TO old_refresh_tokens;
ALTER TABLE access_tokens RENAME TO old_access_tokens;
DROP INDEX access_tokens_expires;

CREATE TABLE refresh_tokens (
    digest    BLOB PRIMARY KEY,
    grant_id  TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

CREATE TABLE access_tokens (
    digest    BLOB PRIMARY KEY,
    grant_id  TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    issued    BIGINT NOT NULL,
    expires   BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX access_tokens_grant ON access_tokens (grant_id);
CREATE INDEX access_tokens_expires ON access_tokens (expires);

INSERT INTO refresh_tokens (digest, grant_id)
SELECT t.digest, g.id FROM old_refresh_tokens t JOIN grants g ON g.client = t.client;
INSERT INTO access_tokens (digest, grant_id, issued, expires)
SELECT t.digest, g.id, t.expires - 3600000, t.expires
FROM old_access_tokens t JOIN grants g ON g.client = t.client;

DROP TABLE old_refresh_tokens;
DROP TABLE old_access_tokens;

-- Codes on their way from the consent page to the token endpoint.
CREATE TABLE codes (
    digest        BLOB PRIMARY KEY,
    grant_id      TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    redirect_uri  TEXT NOT NULL,
    -- SHA-256 of the verifier that must come with it, or NULL.
    challenge     BLOB,
    expires       BIGINT NOT NULL,
    used          INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE INDEX codes_grant ON codes (grant_id);
CREATE INDEX codes_expires ON codes (expires);

-- Browsers that are signed in.
CREATE TABLE sessions (
    digest   BLOB PRIMARY KEY,
    account  TEXT NOT NULL REFERENCES accounts (id),
    expires  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_expires ON sessions (expires);
