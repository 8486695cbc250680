-- The group roles of the ban list. They can't log in; logins are members of them. Safe to run again.
-- Roles belong to the whole server, not to a database, so they stand outside of the migrations.
DO $$
DECLARE
    wanted text;
BEGIN
    -- ipban_owner owns everything and is nobody's; the others may call its functions.
    FOREACH wanted IN ARRAY ARRAY['ipban_owner', 'ipban_reader', 'ipban_writer', 'ipban_maintenance', 'ipban_admin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    IF NOT pg_catalog.pg_has_role('ipban_admin', 'ipban_writer', 'MEMBER') THEN
        GRANT ipban_writer TO ipban_admin;
    END IF;
    IF NOT pg_catalog.pg_has_role('ipban_admin', 'ipban_maintenance', 'MEMBER') THEN
        GRANT ipban_maintenance TO ipban_admin;
    END IF;
    -- An administrator who is no superuser has to be a member of the owner, to make things in its name.
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_auth_members AS membership
           WHERE membership.roleid = 'ipban_owner'::regrole AND membership.member = current_user::regrole
             AND pg_catalog.pg_has_role(current_user, 'ipban_owner', 'USAGE'))
    THEN
        EXECUTE pg_catalog.format('GRANT ipban_owner TO %I', current_user);
    END IF;
END
$$;
