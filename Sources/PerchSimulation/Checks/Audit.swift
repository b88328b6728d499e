// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore

/// Triggers and tables that a simulation puts on top of the schema: each change of a row is written down in the
/// transaction that makes it, and rules about single changes are checked on the spot.
///
/// The engine knows nothing of it.
package enum Audit {
    /// Late and repeated messages carry it in their payloads: it must not stand anywhere in the metastore.
    package static let poison = "poison"

    /// Puts tables and triggers into a database whose schema is current; does nothing where they are there.
    package static func install(on connection: any SQLConnection) throws {
        try connection.execute(script: tables + rows + rules)
    }

    private static let tables = """
        CREATE TABLE IF NOT EXISTS sim_audit (
            seq INTEGER PRIMARY KEY,
            what TEXT NOT NULL,
            id INTEGER,
            run_key INTEGER,
            task_index INTEGER,
            map_index INTEGER,
            try_number INTEGER,
            old_state TEXT,
            new_state TEXT,
            old_dispatch INTEGER,
            new_dispatch INTEGER,
            key TEXT,
            text TEXT,
            number INTEGER,
            other INTEGER
        );
        CREATE TABLE IF NOT EXISTS sim_violation (
            number INTEGER PRIMARY KEY,
            rule TEXT NOT NULL,
            sentence TEXT NOT NULL,
            audit_seq INTEGER
        );

        """

    /// What is written down. Of a wait `id` is its task instance, `number` its own id and `other` its deadline; the
    /// columns of dispatches hold its event floor when it comes, and its due instant when it goes.
    private static let rows = """
        CREATE TRIGGER IF NOT EXISTS sim_run_insert AFTER INSERT ON dag_run BEGIN
            INSERT INTO sim_audit (what, run_key, new_state, number, other, text)
            VALUES ('run+', NEW.run_key, NEW.state, NEW.version_id, NEW.to_create, NEW.dag_id || '/' || NEW.run_id);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_run_update AFTER UPDATE OF state, cancelled_by ON dag_run
        WHEN OLD.state IS NOT NEW.state OR OLD.cancelled_by IS NOT NEW.cancelled_by BEGIN
            INSERT INTO sim_audit (what, run_key, old_state, new_state, number, other, text)
            VALUES ('run', NEW.run_key, OLD.state, NEW.state, NEW.unfinished, NEW.failed, NEW.cancelled_by);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_run_delete AFTER DELETE ON dag_run BEGIN
            INSERT INTO sim_audit (what, run_key, old_state) VALUES ('run-', OLD.run_key, OLD.state);
        END;

        CREATE TRIGGER IF NOT EXISTS sim_task_insert AFTER INSERT ON task_instance BEGIN
            INSERT INTO sim_audit (what, id, run_key, task_index, map_index, try_number, new_state, new_dispatch)
            VALUES ('task+', NEW.ti_id, NEW.run_key, NEW.task_index, NEW.map_index, NEW.try_number, NEW.state,
                NEW.dispatch_id);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_task_update AFTER UPDATE OF state, dispatch_id, try_number ON task_instance
        WHEN OLD.state IS NOT NEW.state OR OLD.dispatch_id IS NOT NEW.dispatch_id
            OR OLD.try_number IS NOT NEW.try_number BEGIN
            INSERT INTO sim_audit (what, id, run_key, task_index, map_index, try_number, old_state, new_state,
                old_dispatch, new_dispatch, number, text, other)
            VALUES ('task', NEW.ti_id, NEW.run_key, NEW.task_index, NEW.map_index, NEW.try_number, OLD.state, NEW.state,
                OLD.dispatch_id, NEW.dispatch_id, OLD.try_number, OLD.cancel_state, NEW.queue_class);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_task_delete AFTER DELETE ON task_instance BEGIN
            INSERT INTO sim_audit (what, id, run_key, task_index, map_index, try_number, old_state, old_dispatch)
            VALUES ('task-', OLD.ti_id, OLD.run_key, OLD.task_index, OLD.map_index, OLD.try_number, OLD.state,
                OLD.dispatch_id);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_mapping_insert AFTER INSERT ON mapped_task BEGIN
            INSERT INTO sim_audit (what, run_key, task_index, number)
            VALUES ('map+', NEW.run_key, NEW.task_index, NEW.length);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_mapping_delete AFTER DELETE ON mapped_task BEGIN
            INSERT INTO sim_audit (what, run_key, task_index, number)
            VALUES ('map-', OLD.run_key, OLD.task_index, OLD.length);
        END;

        CREATE TRIGGER IF NOT EXISTS sim_wait_insert AFTER INSERT ON wait BEGIN
            INSERT INTO sim_audit (what, id, try_number, key, number, other, old_state, text, old_dispatch)
            VALUES ('wait+', NEW.ti_id, NEW.try_number, NEW.journal_key, NEW.wait_id, NEW.deadline, NEW.kind,
                NEW.definition, NEW.event_floor);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_wait_delete AFTER DELETE ON wait BEGIN
            INSERT INTO sim_audit (what, id, try_number, key, number, other, old_dispatch)
            VALUES ('wait-', OLD.ti_id, OLD.try_number, OLD.journal_key, OLD.wait_id, OLD.deadline, OLD.due_at);
        END;

        CREATE TRIGGER IF NOT EXISTS sim_journal_insert AFTER INSERT ON journal BEGIN
            INSERT INTO sim_audit (what, id, try_number, key, text, new_state, new_dispatch, number, other, old_state)
            VALUES ('journal+', NEW.ti_id, NEW.try_number, NEW.key, NEW.outcome, NEW.kind, NEW.dispatch_id,
                NEW.event_seq, NEW.fired_at, NEW.fired_by);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_journal_update AFTER UPDATE ON journal BEGIN
            INSERT INTO sim_audit (what, id, try_number, key, text, new_state, new_dispatch, number, other, old_state)
            VALUES ('journal', NEW.ti_id, NEW.try_number, NEW.key, NEW.outcome, NEW.kind, NEW.dispatch_id,
                NEW.event_seq, NEW.fired_at, NEW.fired_by);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_journal_delete AFTER DELETE ON journal BEGIN
            INSERT INTO sim_audit (what, id, try_number, key) VALUES ('journal-', OLD.ti_id, OLD.try_number, OLD.key);
        END;

        CREATE TRIGGER IF NOT EXISTS sim_slot_insert AFTER INSERT ON pool_slot BEGIN
            INSERT INTO sim_audit (what, id, new_dispatch, number, text)
            VALUES ('slot+', NEW.ti_id, NEW.dispatch_id, NEW.slots, NEW.pool);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_slot_delete AFTER DELETE ON pool_slot BEGIN
            INSERT INTO sim_audit (what, id, old_dispatch, number, text)
            VALUES ('slot-', OLD.ti_id, OLD.dispatch_id, OLD.slots, OLD.pool);
        END;

        CREATE TRIGGER IF NOT EXISTS sim_event_insert AFTER INSERT ON event BEGIN
            INSERT INTO sim_audit (what, number, other, key, text, new_state)
            VALUES ('event+', NEW.seq, NEW.received_at, NEW.name, NEW.event_id, NEW.key);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_event_delete AFTER DELETE ON event BEGIN
            INSERT INTO sim_audit (what, number) VALUES ('event-', OLD.seq);
        END;
        CREATE TRIGGER IF NOT EXISTS sim_event_update AFTER UPDATE ON event BEGIN
            INSERT INTO sim_violation (rule, sentence, audit_seq)
            VALUES ('event changed', 'the event ' || OLD.seq || ' was changed', (SELECT MAX(seq) FROM sim_audit));
        END;

        """

    /// A rule about one change, as a trigger that writes into `sim_violation`.
    private static func rule(
        _ name: String, _ trigger: String, on event: String, when condition: String, says sentence: String
    ) -> String {
        """
        CREATE TRIGGER IF NOT EXISTS sim_rule_\(trigger) AFTER \(event) WHEN \(condition) BEGIN
            INSERT INTO sim_violation (rule, sentence, audit_seq)
            VALUES ('\(name)', \(sentence), (SELECT MAX(seq) FROM sim_audit));
        END;

        """
    }

    private static let ofEntry =
        "' of task instance ' || NEW.ti_id || ' try ' || NEW.try_number || ' ''' || NEW.key || ''''"

    private static let rules = [
        rule(
            "journal of an old dispatch", "journal_dispatch", on: "INSERT ON journal",
            when: """
                NEW.dispatch_id > 0 AND NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.ti_id = NEW.ti_id
                    AND ((t.state = 'running' AND t.dispatch_id = NEW.dispatch_id AND t.try_number = NEW.try_number)
                    OR (NEW.is_kept = 1 AND t.state = 'up_for_retry' AND t.try_number = NEW.try_number - 1)))
                """,
            says:
                "'dispatch ' || NEW.dispatch_id || ' is not the current one, and wrote the journal entry' || \(ofEntry)"
        ),
        rule(
            "kept step changed", "journal_kept", on: "INSERT ON journal",
            when: """
                NEW.is_kept = 1 AND EXISTS (SELECT 1 FROM task_instance t WHERE t.ti_id = NEW.ti_id
                    AND t.state = 'up_for_retry') AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.ti_id = NEW.ti_id
                    AND j.try_number = NEW.try_number - 1 AND j.key = NEW.key AND j.payload = NEW.payload)
                """,
            says: "'a retry inherited what was not recorded: the entry' || \(ofEntry)"),
        rule(
            "sensor outcome", "journal_sensor", on: "INSERT ON journal",
            when: """
                NEW.dispatch_id = 0 AND (NEW.kind <> 'wait' OR NEW.outcome IS NULL OR NOT EXISTS
                    (SELECT 1 FROM task_instance t WHERE t.ti_id = NEW.ti_id AND t.state = 'deferred'
                    AND t.try_number = NEW.try_number))
                """,
            says: "'no dispatch and no sensor wrote the journal entry' || \(ofEntry)"),
        rule(
            "journal changed", "journal_payload", on: "UPDATE ON journal",
            when: """
                OLD.payload IS NOT NEW.payload OR OLD.key IS NOT NEW.key OR OLD.kind IS NOT NEW.kind
                    OR OLD.dispatch_id IS NOT NEW.dispatch_id OR OLD.position IS NOT NEW.position
                    OR (OLD.outcome IS NOT NULL AND OLD.event_seq IS NOT NEW.event_seq)
                """,
            says: "'a recorded journal entry was changed' || \(ofEntry)"),
        rule(
            "outcome changed", "journal_outcome", on: "UPDATE ON journal",
            when: "OLD.outcome IS NOT NULL",
            says: "'a journalled outcome was written again' || \(ofEntry)"),
        rule(
            "outcome without its wait", "journal_fired", on: "UPDATE ON journal",
            when: """
                OLD.outcome IS NULL AND NEW.outcome IS NOT NULL AND (EXISTS (SELECT 1 FROM wait w
                    WHERE w.ti_id = NEW.ti_id AND w.try_number = NEW.try_number AND w.journal_key = NEW.key)
                    OR NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.ti_id = NEW.ti_id AND t.state = 'deferred'
                    AND t.try_number = NEW.try_number))
                """,
            says: "'an outcome was journalled while the wait is there or its task is not deferred' || \(ofEntry)"),
        rule(
            "wait twice", "wait_twice", on: "INSERT ON wait",
            when: """
                EXISTS (SELECT 1 FROM journal j WHERE j.ti_id = NEW.ti_id AND j.try_number = NEW.try_number
                    AND j.key = NEW.journal_key)
                """,
            says: "'the wait ' || NEW.wait_id || ' has a journal key that was waited for before: ' || NEW.journal_key"),
        rule(
            "pool overfull", "pool_room", on: "INSERT ON pool_slot",
            when: """
                (SELECT SUM(s.slots) FROM pool_slot s WHERE s.pool = NEW.pool) >
                    (SELECT p.slots FROM pool p WHERE p.name = NEW.pool)
                """,
            says: """
                'dispatch ' || NEW.dispatch_id || ' was queued into ' || NEW.pool || ', which has no room'
                """),
        rule(
            "slot of another", "slot_dispatch", on: "INSERT ON pool_slot",
            when: """
                NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.ti_id = NEW.ti_id AND t.state = 'queued'
                    AND t.dispatch_id = NEW.dispatch_id AND t.pool = NEW.pool)
                """,
            says: "'a slot of ' || NEW.pool || ' was given to no queued dispatch: ' || NEW.dispatch_id"),
        rule(
            "live wait cleaned", "run_clean", on: "DELETE ON task_instance",
            when: "EXISTS (SELECT 1 FROM wait w WHERE w.ti_id = OLD.ti_id)",
            says: "'task instance ' || OLD.ti_id || ' was removed while it waits'"),
        rule(
            "poison", "poison_insert", on: "INSERT ON journal",
            when: "NEW.payload LIKE '%\(poison)%' OR NEW.outcome LIKE '%\(poison)%'",
            says: "'a late or repeated message was taken: the journal entry' || \(ofEntry)"),
        rule(
            "poison", "poison_fire", on: "UPDATE ON journal",
            when: "NEW.outcome LIKE '%\(poison)%'",
            says: "'a late or repeated message was taken: the outcome' || \(ofEntry)"),
        rule(
            "poison", "poison_output", on: "UPDATE OF output, message ON task_instance",
            when: "NEW.output LIKE '%\(poison)%' OR NEW.message LIKE '%\(poison)%'",
            says: "'a late or repeated message was taken: the output of task instance ' || NEW.ti_id"),
        rule(
            "poison", "poison_wait", on: "INSERT ON wait",
            when: "NEW.target LIKE '%\(poison)%' OR NEW.definition LIKE '%\(poison)%'",
            says: "'a late or repeated message was taken: the wait ' || NEW.wait_id"),
        rule(
            "poison", "poison_progress", on: "UPDATE ON wait",
            when: "NEW.progress LIKE '%\(poison)%'",
            says: "'a late or repeated message was taken: the progress of the wait ' || NEW.wait_id"),
        rule(
            "poison", "poison_event", on: "INSERT ON event",
            when: "NEW.payload LIKE '%\(poison)%'",
            says: "'a repeated event was taken: ' || NEW.name || ' ' || NEW.event_id"),
        rule(
            "poison", "poison_item", on: "INSERT ON output_item",
            when: "NEW.value LIKE '%\(poison)%'",
            says: "'a late or repeated message was taken: an element of task instance ' || NEW.ti_id"),
    ].joined()
}
