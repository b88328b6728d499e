// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What keeps a process from writing whose session was lost, and that somebody else may have locked out since: the one that
/// migrates the metastore, or fills it.
///
/// Every transaction that writes asks for it. So it does not matter when the process finds out that its session is gone.
struct PostgresFence: Sendable {
    private let place: PostgresPlace
    /// The metastore, as messages name it.
    private let name: String

    init(_ place: PostgresPlace, name: String) {
        self.place = place
        self.name = name
    }

    /// Fails with a division by zero where this process may write no more; else nobody can have the metastore alone before the
    /// transaction is over.
    static let question: StaticString = """
        SELECT 1 / CAST(pg_try_advisory_xact_lock_shared(CAST(:1 AS INTEGER), CAST(:2 AS INTEGER))
            AND EXISTS (SELECT 1 FROM meta WHERE key = 'schema_version' AND value = :3) AS INTEGER)
        """
    /// SQLSTATE of its failure.
    static let failure = "22012"

    /// The values of the question.
    var values: [SQLValue] {
        [
            .integer(Int64(PostgresPlace.Lock.members.rawValue)), .integer(place.number),
            .text(String(Migrations.current)),
        ]
    }

    /// Why nothing may be written; nil where the reason is gone by now.
    func reason(_ connection: any SQLConnection) throws -> PerchError? {
        let found = try Migrations.version(of: connection, path: name)
        guard found == Migrations.current else {
            return PerchError(
                .conflict,
                "the metastore in \(name) was brought to schema \(found) meanwhile, this program works with "
                    + "\(Migrations.current): start one of its version")
        }
        let holders = try place.holders(of: [.members], alone: true, connection)
        return holders.isEmpty ? nil : hadAlone(by: holders)
    }

    /// - Parameter holders: Who has it, as far as that is known.
    func hadAlone(by holders: [String]) -> PerchError {
        let names = holders.isEmpty ? "" : " (" + holders.map { "'\($0)'" }.joined(separator: ", ") + ")"
        return PerchError(
            .conflict,
            "this process lost its session on \(name), and another one\(names) has had the metastore alone since, to migrate "
                + "or to fill it: nothing more is written from here; start it again when that is done")
    }
}
