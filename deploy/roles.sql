-- Two roles and a database, for psql as the administrator; passwords come from the environment. The owner's role makes
-- the tables (turnout database prepare) and never serves; the server's owns nothing, and may use what it is granted.
\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv turnout_password TURNOUT_PASSWORD

CREATE ROLE turnout_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE turnout LOGIN PASSWORD :'turnout_password';
CREATE DATABASE turnout OWNER turnout_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
REVOKE ALL ON DATABASE turnout FROM PUBLIC;
GRANT CONNECT ON DATABASE turnout TO turnout;
