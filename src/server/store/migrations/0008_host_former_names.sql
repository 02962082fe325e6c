-- Names that hosts had before they were renamed or deleted: no agent renames its host to one of another host.
CREATE TABLE host_former_names (
    name    TEXT PRIMARY KEY NOT NULL,
    host_id TEXT NOT NULL
) STRICT;
