// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// The pool of tasks that name none; there is always one.
    public static let defaultPool = "default_pool"

    /// Creates a pool or changes its size and, where one is given, its description. Slots that are held stay held: a pool
    /// that shrinks has none to give until enough came back; what waits before one that grows, or is new, goes ahead.
    /// - Throws: `invalid` for a name with a colon, which limits have, and for a size below zero.
    public func setPool(
        _ name: String, slots: Int, description: String? = nil, includeDeferred: Bool? = nil,
        maxDeferred: PoolRow.MostDeferred? = nil
    ) throws {
        if let problem = TaskDefinition.problem(ofPool: name) { throw PerchError(.invalid, problem) }
        guard (0...Self.mostSlots).contains(slots) else {
            throw PerchError(
                .invalid,
                "the pool '\(name.shown())' is to have \(slots) slots; it is a number from 0 to \(Self.mostSlots)")
        }
        let old = try pool(name)
        let most: PoolRow.MostDeferred = maxDeferred ?? old.map { .init($0.maxDeferred) } ?? .unlimited
        if case .at(let count) = most, !(0...Self.mostSlots).contains(count) {
            throw PerchError(
                .invalid,
                "of the pool '\(name.shown())' \(count) are to wait at most; it is a number from 0 to \(Self.mostSlots)"
            )
        }
        try run(
            """
            INSERT INTO pool (name, slots, include_deferred, max_deferred, used, description)
            VALUES (:1, :2, :4, :5, 0, COALESCE(:3, ''))
            ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, description = COALESCE(:3, pool.description),
                include_deferred = excluded.include_deferred, max_deferred = excluded.max_deferred
            """, name, slots, description, includeDeferred ?? old?.includesDeferred ?? false, most.count)
        // What was too large for it may fit now; what does not is set aside again.
        try run(
            "UPDATE task_instance SET is_held = 0 WHERE state = 'scheduled' AND is_held = 2 AND pool = :1", name)
        gates[name] = nil
        poolsCountDeferred = nil
        ring(.runs)
    }

    private static let mostSlots = 1_000_000_000

    /// Removes a pool.
    /// - Throws: `notFound` for an unknown pool; `conflict` for the default pool, and for one that is held, waited for or
    ///   named by a task of a DAG that is active.
    public func deletePool(_ name: String) throws {
        guard let pool = try pool(name) else { throw PerchError(.notFound, "there is no pool '\(name)'") }
        guard name != Self.defaultPool else {
            throw PerchError(.conflict, "'\(name)' is the pool of tasks that name none; it cannot be deleted")
        }
        if pool.used > 0 || pool.waiting > 0 {
            throw PerchError(
                .conflict,
                "the pool '\(name)' is in use: \(Words.count(pool.used, "slot")) held, \(Words.count(pool.waiting, "task")) waiting"
            )
        }
        if let user = try users(ofPool: name).first {
            throw PerchError(
                .conflict,
                "the pool '\(name)' is used by \(Words.names(user.taskIDs)) of the DAG '\(user.dagID)': they would wait for ever"
            )
        }
        try run("DELETE FROM pool WHERE name = :1", name)
        gates[name] = nil
        poolsCountDeferred = nil
    }
}
