// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Rows of a query, one after another as the database gives them.
struct QuerySource: RowSource {
    private let call: SQLCall
    private let stop: StopSignal

    init(_ call: SQLCall, _ stop: StopSignal) {
        self.call = call
        self.stop = stop
    }

    func read(into pipe: TransferPipe) throws {
        let session = try call.server.open(stop, statementTimeout: nil)
        defer { session.close() }
        var gaveRows = false
        var taker = SQLTaker()
        taker.columns = { names in
            gaveRows = true
            try pipe.begin(names)
        }
        taker.row = { try pipe.take($0, line: 0) }
        try session.run(call.text, call.parameters, together: false, taker)
        guard gaveRows else { throw NonRetryable("the query is a statement that gives no rows") }
    }
}
