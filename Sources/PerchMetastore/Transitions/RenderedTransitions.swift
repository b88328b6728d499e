// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Keeps what templates have become. Of a dispatch that is not the current one nothing is kept; a later dispatch of the try
    /// that fills a field in anew replaces it.
    public func recordRendered(_ records: [RenderedRecord]) throws {
        for record in records {
            for (position, field) in record.fields.enumerated() {
                try post(
                    """
                    INSERT INTO rendered_field (ti_id, try_number, name, position, value)
                    SELECT ti_id, try_number, CAST(:3 AS TEXT), CAST(:4 AS {int64}), CAST(:5 AS TEXT) FROM task_instance
                    WHERE ti_id = :1 AND dispatch_id = :2 AND state = 'running'
                    ON CONFLICT (ti_id, try_number, name)
                        DO UPDATE SET position = excluded.position, value = excluded.value
                    """, record.taskInstanceID, record.dispatchID, field.name, position, field.text)
            }
        }
    }
}
