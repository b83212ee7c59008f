-- Manifests that other workspaces exported, for recovery alone: nothing here was released here, and nothing that
-- guards a release looks at these tables. And the Image-Codes of our own outputs, by which a copy is looked for.
--
-- What others exported is not sealed by the log: a manifest is signed in itself, and what its archive says of it leads
-- only to candidates, which are then looked at.

CREATE TABLE foreign_archive (
  digest      BLOB PRIMARY KEY CHECK (length(digest) = 32),        -- of the archive's index
  exporter    TEXT NOT NULL,                                       -- what it calls itself
  signing_key BLOB NOT NULL CHECK (length(signing_key) = 32),      -- SHA-256 of the key that signed the archive
  exported    TEXT NOT NULL,
  imported    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE foreign_manifest (
  label               TEXT PRIMARY KEY,
  archive             BLOB NOT NULL REFERENCES foreign_archive (digest),
  sha256              BLOB NOT NULL CHECK (length(sha256) = 32),         -- of the file that was released there
  pixels_sha256       BLOB NOT NULL CHECK (length(pixels_sha256) = 32),
  fingerprint         BLOB NOT NULL CHECK (length(fingerprint) = 32),
  fingerprint_quality INTEGER NOT NULL CHECK (fingerprint_quality BETWEEN 0 AND 100),
  image_code          BLOB CHECK (length(image_code) = 32),              -- as the manifest says; none where it says none
  payload_id          TEXT,                                              -- of the watermark that the manifest names
  bytes               BLOB NOT NULL CHECK (length(bytes) > 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX foreign_pixels ON foreign_manifest (pixels_sha256);
CREATE INDEX foreign_payload ON foreign_manifest (payload_id);

CREATE TABLE image_code (
  output TEXT PRIMARY KEY REFERENCES asset (id),
  code   BLOB NOT NULL CHECK (length(code) = 32)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER foreign_manifest_truth BEFORE INSERT ON foreign_manifest BEGIN
  SELECT RAISE(ABORT, 'foreign manifest refused: it was released here')
    WHERE EXISTS (SELECT 1 FROM manifest_store WHERE label = NEW.label);
  SELECT RAISE(ABORT, 'foreign manifest refused: its archive is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM foreign_archive WHERE digest = NEW.archive);
  SELECT RAISE(ABORT, 'foreign manifest refused: it is empty')
    WHERE length(NEW.bytes) IS 0;
END;
CREATE TRIGGER image_code_truth BEFORE INSERT ON image_code BEGIN
  SELECT RAISE(ABORT, 'image code refused: the output is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.output AND role = 'output');
  SELECT RAISE(ABORT, 'image code refused: the output is released already')
    WHERE EXISTS (SELECT 1 FROM release WHERE output = NEW.output);
END;

-- Rows are written once.

CREATE TRIGGER foreign_archive_once BEFORE INSERT ON foreign_archive WHEN EXISTS (SELECT 1 FROM foreign_archive WHERE digest = NEW.digest) BEGIN SELECT RAISE(ABORT, 'foreign_archive is append-only'); END;
CREATE TRIGGER foreign_archive_update BEFORE UPDATE ON foreign_archive BEGIN SELECT RAISE(ABORT, 'foreign_archive is append-only'); END;
CREATE TRIGGER foreign_archive_delete BEFORE DELETE ON foreign_archive BEGIN SELECT RAISE(ABORT, 'foreign_archive is append-only'); END;
CREATE TRIGGER foreign_manifest_once BEFORE INSERT ON foreign_manifest WHEN EXISTS (SELECT 1 FROM foreign_manifest WHERE label = NEW.label) BEGIN SELECT RAISE(ABORT, 'foreign_manifest is append-only'); END;
CREATE TRIGGER foreign_manifest_update BEFORE UPDATE ON foreign_manifest BEGIN SELECT RAISE(ABORT, 'foreign_manifest is append-only'); END;
CREATE TRIGGER foreign_manifest_delete BEFORE DELETE ON foreign_manifest BEGIN SELECT RAISE(ABORT, 'foreign_manifest is append-only'); END;
CREATE TRIGGER image_code_once BEFORE INSERT ON image_code WHEN EXISTS (SELECT 1 FROM image_code WHERE output = NEW.output) BEGIN SELECT RAISE(ABORT, 'image_code is append-only'); END;
CREATE TRIGGER image_code_update BEFORE UPDATE ON image_code BEGIN SELECT RAISE(ABORT, 'image_code is append-only'); END;
CREATE TRIGGER image_code_delete BEFORE DELETE ON image_code BEGIN SELECT RAISE(ABORT, 'image_code is append-only'); END;
