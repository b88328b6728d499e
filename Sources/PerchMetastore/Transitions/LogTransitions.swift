// SPDX-License-Identifier: Apache-2.0

extension Transaction {
    /// Adds pieces to the logs of tries, in their order, in which a writer's positions ascend. What is there already, and what belongs to a task instance that is
    /// gone, changes nothing.
    public func appendLogs(_ pieces: [LogPiece], origin: String) throws {
        for piece in pieces {
            try post(
                """
                INSERT INTO log_chunk (ti_id, try_number, start_at, size, writer, position, origin, content)
                SELECT CAST(:1 AS BIGINT), CAST(:2 AS BIGINT),
                    COALESCE((SELECT start_at + size FROM log_chunk WHERE ti_id = :1 AND try_number = :2
                        ORDER BY start_at DESC LIMIT 1), 0),
                    CAST(:3 AS BIGINT), CAST(:4 AS BIGINT), CAST(:5 AS BIGINT), CAST(:6 AS TEXT), CAST(:7 AS TEXT)
                WHERE EXISTS (SELECT 1 FROM task_instance WHERE ti_id = :1)
                    AND NOT EXISTS (SELECT 1 FROM log_chunk WHERE writer = :4 AND position >= :5)
                    AND CASE CAST(:8 AS BIGINT)
                        WHEN 1 THEN NOT EXISTS (SELECT 1 FROM log_chunk WHERE ti_id = :1 AND try_number = :2)
                        WHEN 2 THEN EXISTS (SELECT 1 FROM log_chunk WHERE ti_id = :1 AND try_number = :2)
                        WHEN 3 THEN EXISTS (SELECT 1 FROM log_chunk WHERE writer = :4 AND position = :5 - 1)
                        ELSE 1 = 1 END
                """, piece.log.taskInstanceID, piece.log.tryNumber, piece.text.utf8.count, piece.writer, piece.position,
                origin, piece.text, piece.place.rawValue)
        }
    }

    /// What a row that was made of many holds at most, in bytes, and what one transaction moves.
    private static var largestPart: Int64 { 256 << 10 }
    private static var mostMoved: Int64 { 1 << 20 }
    private static var betweenOrigins: String { ", " }

    /// Makes few rows of the many of a log; what it says, and whose words they are, stays the same. Bounded; true where more is
    /// left.
    public func tidyLog(_ log: LogID) throws -> Bool {
        let parts = try rows(
            """
            SELECT start_at, size, writer FROM log_chunk WHERE ti_id = :1 AND try_number = :2 AND content IS NOT NULL
            ORDER BY start_at {for_update}
            """, log.taskInstanceID, log.tryNumber
        ) { (start: $0.int64(0), end: $0.int64(0) + $0.int64(1), writer: $0.int64(2)) }
        var moved: Int64 = 0
        var index = 0
        while index < parts.count {
            let first = index
            index += 1
            while index < parts.count, parts[index].start == parts[index - 1].end,
                parts[index].writer == parts[first].writer,
                parts[index].end - parts[first].start <= Self.largestPart
            {
                index += 1
            }
            guard index - first > 1 else { continue }
            if moved >= Self.mostMoved { return true }
            try merge(log, from: parts[first].start, to: parts[index - 1].end)
            moved += parts[index - 1].end - parts[first].start
        }
        return false
    }

    private func merge(_ log: LogID, from start: Int64, to end: Int64) throws {
        let parts = try rows(
            """
            SELECT content, position FROM log_chunk
            WHERE ti_id = :1 AND try_number = :2 AND start_at >= :3 AND start_at < :4 ORDER BY start_at
            """, log.taskInstanceID, log.tryNumber, start, end
        ) { (text: $0.text(0), position: $0.int64(1)) }
        guard let last = parts.last else { return }
        try run(
            "DELETE FROM log_chunk WHERE ti_id = :1 AND try_number = :2 AND start_at > :3 AND start_at < :4",
            log.taskInstanceID, log.tryNumber, start, end)
        try run(
            """
            UPDATE log_chunk SET size = :4, position = :5, content = :6
            WHERE ti_id = :1 AND try_number = :2 AND start_at = :3
            """, log.taskInstanceID, log.tryNumber, start, end - start, last.position,
            parts.map(\.text).joined())
    }

    /// Takes the first bytes of a log out of the metastore that stand in a file of the archive by now.
    ///
    /// - Returns: False where rows have changed meanwhile: nothing was taken.
    public func archiveLog(_ log: LogID, through end: Int64) throws -> Bool {
        let isCut = try number(
            """
            SELECT 1 FROM log_chunk
            WHERE ti_id = :1 AND try_number = :2 AND start_at < :3 AND start_at + size > :3 LIMIT 1
            """, log.taskInstanceID, log.tryNumber, end)
        let last = try first(
            """
            SELECT writer, position FROM log_chunk
            WHERE ti_id = :1 AND try_number = :2 AND start_at < :3 ORDER BY start_at DESC LIMIT 1
            """, log.taskInstanceID, log.tryNumber, end
        ) { (writer: $0.int64(0), position: $0.int64(1)) }
        // Of several homes it is none's own: who reads its file there would read a part.
        let origins = try rows(
            "SELECT DISTINCT origin FROM log_chunk WHERE ti_id = :1 AND try_number = :2 AND start_at < :3",
            log.taskInstanceID, log.tryNumber, end
        ) { $0.text(0) }
        let origin = Set(origins.flatMap { $0.split(separator: Self.betweenOrigins) }).sorted()
            .joined(separator: Self.betweenOrigins)
        guard isCut == nil, let last else { return false }
        try run(
            "DELETE FROM log_chunk WHERE ti_id = :1 AND try_number = :2 AND start_at < :3", log.taskInstanceID,
            log.tryNumber, end)
        // What comes later goes on behind it, and who reads knows where to look.
        try run(
            """
            INSERT INTO log_chunk (ti_id, try_number, start_at, size, writer, position, origin, content)
            VALUES (:1, :2, 0, :3, :4, :5, :6, NULL)
            """, log.taskInstanceID, log.tryNumber, end, last.writer, last.position, origin)
        return true
    }
}

extension Snapshot {
    /// Parts of a log from a byte on, in order; so many at most. The first may begin before that byte.
    public func logParts(_ log: LogID, from offset: Int64, limit: Int = 16) throws -> [LogPart] {
        try rows(
            """
            SELECT start_at, size, origin, content FROM log_chunk
            WHERE ti_id = :1 AND try_number = :2 AND start_at + size > :3 AND start_at >= COALESCE((
                SELECT start_at FROM log_chunk WHERE ti_id = :1 AND try_number = :2 AND start_at <= :3
                ORDER BY start_at DESC LIMIT 1), 0)
            ORDER BY start_at LIMIT :4
            """, log.taskInstanceID, log.tryNumber, offset, limit
        ) { LogPart(start: $0.int64(0), size: $0.int64(1), origin: $0.text(2), text: $0.optionalText(3)) }
    }

    /// How many bytes of a log there are.
    public func logEnd(_ log: LogID) throws -> Int64 {
        try number(
            """
            SELECT start_at + size FROM log_chunk WHERE ti_id = :1 AND try_number = :2 ORDER BY start_at DESC LIMIT 1
            """, log.taskInstanceID, log.tryNumber) ?? 0
    }

    /// The first byte of a log that comes from another home than one; nil where all of it is that one's.
    public func firstByte(of log: LogID, notFrom origin: String) throws -> Int64? {
        try number(
            "SELECT MIN(start_at) FROM log_chunk WHERE ti_id = :1 AND try_number = :2 AND origin <> :3",
            log.taskInstanceID, log.tryNumber, origin)
    }

    /// The machines and homes whose workers have sent parts of a log.
    public func logOrigins(_ log: LogID) throws -> Set<String> {
        Set(
            try rows(
                "SELECT DISTINCT origin FROM log_chunk WHERE ti_id = :1 AND try_number = :2", log.taskInstanceID,
                log.tryNumber
            ) { $0.text(0) })
    }

    /// The worker that holds a task instance, as host and process id; nil where none does.
    public func workerName(of taskInstanceID: Int64) throws -> String? {
        try first(
            """
            SELECT p.host, p.pid FROM task_instance t JOIN process p ON p.process_id = t.worker
            WHERE t.ti_id = :1 AND t.state = 'running'
            """, taskInstanceID
        ) { "\($0.text(0)):\($0.int64(1))" }
    }
}
