"""The connector's own database: tables, migrations, and one module per thing that is kept."""
