// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Creates a pool or changes its size. Slots that are held stay held: a pool that shrinks has none to give until enough
    /// came back.
    /// - Throws: `invalid` for a name with a colon, which limits have.
    package func setPool(_ name: String, slots: Int) throws {
        if let problem = TaskDefinition.problem(ofPool: name) { throw PerchError(.invalid, problem) }
        try run(
            """
            INSERT INTO pool (name, slots, include_deferred, used) VALUES (:1, :2, 0, 0)
            ON CONFLICT (name) DO UPDATE SET slots = excluded.slots
            """, name, slots)
        gates[name] = nil
        ring(.runs)
    }
}
