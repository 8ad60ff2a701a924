"""Redshift and Databricks, which nothing here can stand for: the SQL that is sent, as their own dialects write it."""

from __future__ import annotations

import json

import pytest

from tests.clouds.conftest import ROOT, Cloud, python_of

SOURCES = {
    "redshift": 'SELECT CAST(%s AS BIGINT) AS "id", %s AS "email", CAST(%s AS NUMERIC(12, 2)) AS "amount"',
    "databricks": "SELECT CAST(:`p0_0` AS BIGINT) AS `id`, :`p0_1` AS `email`, "
    "CAST(:`p0_2` AS DECIMAL(12, 2)) AS `amount`",
}
WANTED = {
    "redshift": {
        "session": [],
        "create": [
            (
                'CREATE TABLE IF NOT EXISTS "people" ( "id" BIGINT NOT NULL, "email" VARCHAR(65535), '
                '"amount" NUMERIC(12, 2), "ratio" DOUBLE PRECISION, "active" BOOLEAN, "born" DATE, '
                '"seen" TIMESTAMP WITH TIME ZONE, "at" TIME WITHOUT TIME ZONE, "ref" VARCHAR(36), '
                '"more" VARCHAR(65535), "raw" VARBINARY(1024000), PRIMARY KEY ("id") )'
            )
        ],
        "add column": ['ALTER TABLE "shop"."people" ADD COLUMN "phone" VARCHAR(65535)'],
        "append": [
            'INSERT INTO "shop"."people" ("id", "email", "amount") SELECT s."id", s."email", s."amount" FROM (SOURCE) s'
        ],
        "upsert": [
            (
                'UPDATE "shop"."people" t SET "email" = s."email", "amount" = s."amount" FROM (SOURCE) s '
                'WHERE t."id" = s."id"'
            ),
            (
                'INSERT INTO "shop"."people" ("id", "email", "amount") SELECT s."id", s."email", s."amount" '
                'FROM (SOURCE) s WHERE NOT EXISTS (SELECT 1 FROM "shop"."people" t WHERE t."id" = s."id")'
            ),
        ],
        "delete": ['DELETE FROM "shop"."people" WHERE "shop"."people"."id" = %s'],
        "read": [
            (
                'SELECT "id", "seen", CAST("more" AS VARCHAR) FROM "shop"."people" WHERE "seen" >= :antiphon_since OR '
                '"seen" IS NULL ORDER BY CASE WHEN "seen" IS NULL THEN 0 ELSE 1 END, "seen", "id" LIMIT 5'
            )
        ],
    },
    "databricks": {
        "session": ["SET TIME ZONE 'UTC'"],
        "create": [
            (
                "CREATE TABLE IF NOT EXISTS `people` ( `id` BIGINT NOT NULL, `email` STRING, `amount` DECIMAL(12, 2), "
                "`ratio` DOUBLE, `active` BOOLEAN, `born` DATE, `seen` TIMESTAMP, `at` STRING, `ref` STRING, "
                "`more` STRING, `raw` BINARY, PRIMARY KEY (`id`) ) "
                "USING DELTA TBLPROPERTIES('delta.feature.allowColumnDefaults' = 'enabled')"
            )
        ],
        "add column": ["ALTER TABLE `shop`.`people` ADD COLUMN `phone` STRING"],
        "insert": [
            (
                "MERGE INTO `shop`.`people` t USING (SOURCE) s ON t.`id` = s.`id` "
                "WHEN NOT MATCHED THEN INSERT (`id`, `email`, `amount`) VALUES (s.`id`, s.`email`, s.`amount`)"
            )
        ],
        "upsert": [
            (
                "MERGE INTO `shop`.`people` t USING (SOURCE) s ON t.`id` = s.`id` "
                "WHEN MATCHED THEN UPDATE SET `email` = s.`email`, `amount` = s.`amount` "
                "WHEN NOT MATCHED THEN INSERT (`id`, `email`, `amount`) VALUES (s.`id`, s.`email`, s.`amount`)"
            )
        ],
        "delete": ["DELETE FROM `shop`.`people` WHERE `shop`.`people`.`id` = :`k_id`"],
        "read": [
            (
                "SELECT `id`, `seen`, CAST(`more` AS STRING) FROM `shop`.`people` WHERE `seen` >= :antiphon_since OR "
                "`seen` IS NULL ORDER BY CASE WHEN `seen` IS NULL THEN 0 ELSE 1 END, `seen`, `id` LIMIT 5"
            )
        ],
    },
}


@pytest.mark.parametrize("name", sorted(WANTED))
def test_the_sql_that_is_sent(name: str) -> None:
    cloud = Cloud(python_of("clouds"), "", ROOT)
    out, _ = cloud.program(str(ROOT / "tests" / "clouds" / "compiled.py"), name)
    sent = json.loads(out)
    for what, statements in WANTED[name].items():
        assert sent[what] == [statement.replace("SOURCE", SOURCES[name]) for statement in statements], what
