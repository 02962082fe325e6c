-- What a user or a key is limited to, one rule a line (auth/scope.h); NULL: everything.
ALTER TABLE users ADD COLUMN scope TEXT;
ALTER TABLE api_keys ADD COLUMN scope TEXT;
