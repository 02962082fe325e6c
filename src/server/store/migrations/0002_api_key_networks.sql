-- Networks that a key may be used from, separated by commas; NULL: everywhere.
ALTER TABLE api_keys ADD COLUMN networks TEXT;
